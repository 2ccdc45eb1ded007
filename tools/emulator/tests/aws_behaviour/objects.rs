//! Objects, their keys and their headers; buckets.

use aws_sdk_s3::types::{MetadataDirective, ServerSideEncryption};

use crate::{Aws, clients::refused};

crate::behaviours! {
    an_object_comes_back_as_it_was_put,
    every_legal_key_is_its_own_object,
    a_key_of_1025_bytes_is_refused,
    metadata_over_2_kb_is_refused,
    ranges,
    absent_things,
    a_copy_keeps_or_replaces_metadata,
    a_bucket_with_objects_stays,
    several_deletes_at_once,
    encryption_is_repeated,
}

async fn an_object_comes_back_as_it_was_put(aws: Aws) {
    let bucket = aws.bucket().await;
    let request = aws
        .s3
        .put_object()
        .bucket(&bucket)
        .key("k")
        .body(b"hello".to_vec().into());
    let put = request
        .content_type("text/plain; charset=utf-8")
        .content_disposition("attachment; filename=\"a.txt\"")
        .cache_control("no-store")
        .content_language("en")
        .metadata("colour", "blue")
        .metadata("x-y", "z=1;2")
        .send()
        .await
        .unwrap();
    assert_eq!(put.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert_eq!(put.version_id(), None);
    let head = aws
        .s3
        .head_object()
        .bucket(&bucket)
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(head.content_length(), Some(5));
    let got = aws
        .s3
        .get_object()
        .bucket(&bucket)
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(got.content_type(), Some("text/plain; charset=utf-8"));
    assert_eq!(
        got.content_disposition(),
        Some("attachment; filename=\"a.txt\"")
    );
    assert_eq!(got.cache_control(), Some("no-store"));
    assert_eq!(got.content_language(), Some("en"));
    assert_eq!(got.content_encoding(), None);
    assert_eq!(got.accept_ranges(), Some("bytes"));
    assert_eq!(got.e_tag(), put.e_tag());
    assert_eq!(head.e_tag(), put.e_tag());
    assert_eq!(got.last_modified(), head.last_modified());
    let metadata = got.metadata().unwrap();
    assert_eq!(head.metadata(), Some(metadata));
    assert_eq!(
        (metadata["colour"].as_str(), metadata["x-y"].as_str()),
        ("blue", "z=1;2")
    );
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), "hello");
}

async fn every_legal_key_is_its_own_object(aws: Aws) {
    let bucket = aws.bucket().await;
    let longest = format!("{}ü", "x/".repeat(511));
    let keys = [
        "a",
        "a/",
        "a/b",
        "a/b/",
        "a//b",
        "A",
        "c/../x",
        "x",
        "./a",
        "..",
        "a b",
        "a+b",
        "a%20b",
        "a%2Bb",
        "ü",
        "u\u{308}",
        "名/🙂",
        "a?b=c",
        "a#b",
        "a&b;c:d@e=f$g,h",
        "'\"<>\\^`{}|~",
        "versions.json",
        "con",
        "a.",
        "a ",
        &longest,
    ];
    for key in keys {
        aws.put(&bucket, key, key).await;
    }
    for key in keys {
        assert_eq!(aws.get(&bucket, key).await.as_deref(), Ok(key));
    }
    let listed = aws
        .s3
        .list_objects_v2()
        .bucket(&bucket)
        .send()
        .await
        .unwrap();
    let listed: Vec<_> = listed
        .contents()
        .iter()
        .map(|object| object.key().unwrap())
        .collect();
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    assert_eq!(listed, sorted);
}

async fn a_key_of_1025_bytes_is_refused(aws: Aws) {
    let bucket = aws.bucket().await;
    let request = aws.s3.put_object().bucket(&bucket).key("x".repeat(1025));
    assert_eq!(
        refused(request.send().await),
        (400, "KeyTooLongError".to_owned())
    );
}

async fn metadata_over_2_kb_is_refused(aws: Aws) {
    let bucket = aws.bucket().await;
    let put = |length: usize| {
        let request = aws.s3.put_object().bucket(&bucket).key("k");
        request.metadata("name", "v".repeat(length)).send()
    };
    put(2048 - 4).await.unwrap();
    assert_eq!(
        refused(put(2048 - 3).await),
        (400, "MetadataTooLarge".to_owned())
    );
}

async fn ranges(aws: Aws) {
    let bucket = aws.bucket().await;
    aws.put(&bucket, "k", "0123456789").await;
    let cases = [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=3-5", "345", "bytes 3-5/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=8-99", "89", "bytes 8-9/10"),
        ("bytes=-99", "0123456789", "bytes 0-9/10"),
    ];
    for (range, body, content_range) in cases {
        let got = aws
            .s3
            .get_object()
            .bucket(&bucket)
            .key("k")
            .range(range)
            .send()
            .await
            .unwrap();
        assert_eq!(got.content_range(), Some(content_range), "{range}");
        assert_eq!(got.content_length(), Some(body.len() as i64), "{range}");
        assert_eq!(
            got.body.collect().await.unwrap().into_bytes(),
            body,
            "{range}"
        );
    }
    let beyond = aws
        .s3
        .get_object()
        .bucket(&bucket)
        .key("k")
        .range("bytes=10-")
        .send()
        .await;
    assert_eq!(refused(beyond), (416, "InvalidRange".to_owned()));
}

async fn absent_things(aws: Aws) {
    let bucket = aws.bucket().await;
    let no_key = (404, "NoSuchKey".to_owned());
    assert_eq!(aws.get(&bucket, "absent").await, Err(no_key));
    assert_eq!(
        aws.get("no-such-bucket-1", "k").await,
        Err((404, "NoSuchBucket".to_owned()))
    );
    let head = aws
        .s3
        .head_object()
        .bucket(&bucket)
        .key("absent")
        .send()
        .await;
    assert_eq!(refused(head).0, 404);
    let head = aws.s3.head_bucket().bucket("no-such-bucket-1").send().await;
    assert_eq!(refused(head).0, 404);
    let put = aws
        .s3
        .put_object()
        .bucket("no-such-bucket-1")
        .key("k")
        .send()
        .await;
    assert_eq!(refused(put), (404, "NoSuchBucket".to_owned()));
    let list = aws
        .s3
        .list_objects_v2()
        .bucket("no-such-bucket-1")
        .send()
        .await;
    assert_eq!(refused(list), (404, "NoSuchBucket".to_owned()));
    // Deleting an absent object succeeds.
    let request = aws.s3.delete_object().bucket(&bucket).key("absent");
    request.send().await.unwrap();
}

async fn a_copy_keeps_or_replaces_metadata(aws: Aws) {
    let bucket = aws.bucket().await;
    let put = aws
        .s3
        .put_object()
        .bucket(&bucket)
        .key("a b/ü")
        .metadata("m", "1");
    put.content_type("text/plain")
        .body(b"content".to_vec().into())
        .send()
        .await
        .unwrap();
    let source = format!("{bucket}/a%20b/%C3%BC");
    let copy = |key: &str| {
        aws.s3
            .copy_object()
            .bucket(&bucket)
            .key(key)
            .copy_source(&source)
    };
    let copied = copy("kept").send().await.unwrap();
    assert!(copied.copy_object_result().unwrap().e_tag().is_some());
    let replaced = copy("replaced").metadata_directive(MetadataDirective::Replace);
    replaced.metadata("n", "2").send().await.unwrap();
    assert_eq!(aws.get(&bucket, "kept").await.as_deref(), Ok("content"));
    let kept = aws
        .s3
        .head_object()
        .bucket(&bucket)
        .key("kept")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (kept.content_type(), kept.metadata().unwrap().len()),
        (Some("text/plain"), 1)
    );
    let replaced = aws
        .s3
        .head_object()
        .bucket(&bucket)
        .key("replaced")
        .send()
        .await
        .unwrap();
    assert_eq!(replaced.metadata().unwrap()["n"], "2");
    assert_eq!(replaced.metadata().unwrap().len(), 1);
}

async fn a_bucket_with_objects_stays(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    let (_, version) = aws.put(&bucket, "k", "v").await;
    let delete = || aws.s3.delete_bucket().bucket(&bucket).send();
    assert_eq!(refused(delete().await), (409, "BucketNotEmpty".to_owned()));
    let object = aws.s3.delete_object().bucket(&bucket).key("k");
    object.version_id(version.unwrap()).send().await.unwrap();
    delete().await.unwrap();
    let head = aws.s3.head_bucket().bucket(&bucket).send().await;
    assert_eq!(refused(head).0, 404);
}

async fn several_deletes_at_once(aws: Aws) {
    use aws_sdk_s3::types::{Delete, ObjectIdentifier};
    let bucket = aws.versioned_bucket().await;
    let (_, version) = aws.put(&bucket, "a", "1").await;
    aws.put(&bucket, "b & <c>", "2").await;
    let object = |key: &str, version: Option<String>| {
        ObjectIdentifier::builder()
            .key(key)
            .set_version_id(version)
            .build()
            .unwrap()
    };
    let delete = Delete::builder()
        .objects(object("a", version.clone()))
        .objects(object("b & <c>", None))
        .objects(object("absent", None))
        .build()
        .unwrap();
    let answer = aws
        .s3
        .delete_objects()
        .bucket(&bucket)
        .delete(delete)
        .send()
        .await
        .unwrap();
    assert!(answer.errors().is_empty());
    let mut deleted: Vec<_> = answer.deleted().iter().map(|d| d.key().unwrap()).collect();
    deleted.sort_unstable();
    assert_eq!(deleted, ["a", "absent", "b & <c>"]);
    let marker = answer
        .deleted()
        .iter()
        .find(|d| d.key() == Some("b & <c>"))
        .unwrap();
    assert_eq!(marker.delete_marker(), Some(true));
    assert!(marker.delete_marker_version_id().is_some());
    let versions = aws
        .s3
        .list_object_versions()
        .bucket(&bucket)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (versions.versions().len(), versions.delete_markers().len()),
        (1, 2)
    );
}

async fn encryption_is_repeated(aws: Aws) {
    let bucket = aws.bucket().await;
    let put = aws.s3.put_object().bucket(&bucket).key("k");
    let request = put.server_side_encryption(ServerSideEncryption::Aes256);
    let put = request.send().await.unwrap();
    assert_eq!(
        put.server_side_encryption(),
        Some(&ServerSideEncryption::Aes256)
    );
    let head = aws
        .s3
        .head_object()
        .bucket(&bucket)
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(
        head.server_side_encryption(),
        Some(&ServerSideEncryption::Aes256)
    );
}
