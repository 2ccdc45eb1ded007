//! Tags of objects.

use aws_sdk_s3::types::{Tag, Tagging};

use crate::{
    Aws,
    requests::{Bucket, assert_refused},
};

crate::behaviours! {
    tags_of_a_put_are_kept,
    tags_are_replaced_and_removed,
    each_version_has_its_tags,
    wrong_tags_are_refused,
    tags_need_an_object,
}

/// The tags of an object as text, sorted.
pub(crate) async fn tags_of(bucket: &Bucket, key: &str) -> String {
    let request = bucket.s3.get_object_tagging().bucket(&bucket.name);
    let got = request.key(key).send().await.unwrap();
    let tags = got.tag_set().iter();
    let mut tags: Vec<_> = tags
        .map(|tag| format!("{}={}", tag.key(), tag.value()))
        .collect();
    tags.sort_unstable();
    tags.join(" ")
}

fn tagging(tags: &[(&str, &str)]) -> Tagging {
    let tag = |(key, value): &(&str, &str)| Tag::builder().key(*key).value(*value).build().unwrap();
    let tags = tags.iter().map(tag).collect();
    Tagging::builder().set_tag_set(Some(tags)).build().unwrap()
}

async fn tags_of_a_put_are_kept(aws: Aws) {
    let bucket = aws.bucket().await;
    let put = bucket.put("k", "v").tagging("a=1&b=x%20y&c");
    put.send().await.unwrap();
    assert_eq!(tags_of(&bucket, "k").await, "a=1 b=x y c=");
    let got = bucket.get("k").send().await.unwrap();
    assert_eq!(got.tag_count(), Some(3));
    bucket.write("k", "v").await;
    assert_eq!(tags_of(&bucket, "k").await, "");
}

async fn tags_are_replaced_and_removed(aws: Aws) {
    let bucket = aws.bucket().await;
    let (etag, _) = bucket.write("k", "v").await;
    for tags in [&[("a", "1"), ("b", "2")][..], &[("c", "3")]] {
        let put = aws.s3.put_object_tagging().bucket(&bucket.name).key("k");
        put.tagging(tagging(tags)).send().await.unwrap();
    }
    assert_eq!(tags_of(&bucket, "k").await, "c=3");
    let head = bucket.head("k").send().await.unwrap();
    assert_eq!(head.e_tag(), Some(etag.as_str()));
    let delete = aws.s3.delete_object_tagging().bucket(&bucket.name);
    delete.key("k").send().await.unwrap();
    assert_eq!(tags_of(&bucket, "k").await, "");
    assert_eq!(bucket.read("k").await.as_deref(), Ok("v"));
}

async fn each_version_has_its_tags(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    let (_, first) = bucket.write("k", "1").await;
    bucket.put("k", "2").tagging("a=2").send().await.unwrap();
    let put = aws.s3.put_object_tagging().bucket(&bucket.name).key("k");
    let put = put.set_version_id(first.clone());
    let put = put.tagging(tagging(&[("a", "1")])).send().await.unwrap();
    assert_eq!(put.version_id(), first.as_deref());
    assert_eq!(tags_of(&bucket, "k").await, "a=2");
    let get = aws.s3.get_object_tagging().bucket(&bucket.name).key("k");
    let got = get.set_version_id(first).send().await.unwrap();
    assert_eq!(got.tag_set()[0].value(), "1");
}

async fn wrong_tags_are_refused(aws: Aws) {
    let bucket = aws.bucket().await;
    bucket.write("k", "v").await;
    let put = |tags: &[(&str, &str)]| {
        let put = aws.s3.put_object_tagging().bucket(&bucket.name).key("k");
        put.tagging(tagging(tags)).send()
    };
    let (name, value) = ("n".repeat(129), "v".repeat(257));
    assert_refused(put(&[("a", "1"), ("a", "2")]).await, 400, "InvalidTag");
    assert_refused(put(&[("aws:a", "1")]).await, 400, "InvalidTag");
    assert_refused(put(&[("", "1")]).await, 400, "InvalidTag");
    assert_refused(put(&[(&name, "1")]).await, 400, "InvalidTag");
    assert_refused(put(&[("a", &value)]).await, 400, "InvalidTag");
    let names: Vec<_> = (0..11).map(|number| number.to_string()).collect();
    let eleven: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    assert_refused(put(&eleven).await, 400, "BadRequest");
    let header = bucket.put("k", "v").tagging("a=1&a=2");
    assert_refused(header.send().await, 400, "InvalidArgument");
    assert_eq!(tags_of(&bucket, "k").await, "");
}

async fn tags_need_an_object(aws: Aws) {
    let bucket = aws.bucket().await;
    let get = aws.s3.get_object_tagging().bucket(&bucket.name);
    assert_refused(get.key("k").send().await, 404, "NoSuchKey");
}
