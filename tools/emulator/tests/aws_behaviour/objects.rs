//! Objects, their keys and their headers; buckets.

use aws_sdk_s3::types::{
    Delete, ObjectAttributes, ObjectIdentifier, ObjectStorageClass, ServerSideEncryption,
    StorageClass,
};

use crate::{
    Aws,
    clients::refused,
    counts,
    requests::{Bucket, assert_refused, keys_of, text},
};

crate::behaviours! {
    an_object_comes_back_as_it_was_put,
    every_legal_key_is_its_own_object,
    a_key_of_1025_bytes_is_refused,
    metadata_over_2_kb_is_refused,
    ranges,
    absent_things,
    a_bucket_with_objects_stays,
    several_deletes_at_once,
    encryption_is_repeated,
    the_storage_class_is_repeated,
    the_attributes_of_an_object,
}

async fn an_object_comes_back_as_it_was_put(aws: Aws) {
    let bucket = aws.bucket().await;
    let put = bucket
        .put("k", "hello")
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
    let head = bucket.head("k").send().await.unwrap();
    assert_eq!(head.content_length(), Some(5));
    let got = bucket.get("k").send().await.unwrap();
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
    assert_eq!(text(got.body).await, "hello");
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
        bucket.write(key, key).await;
    }
    for key in keys {
        assert_eq!(bucket.read(key).await.as_deref(), Ok(key));
    }
    let listed = bucket.list().send().await.unwrap();

    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    assert_eq!(keys_of(&listed), sorted);
}

async fn a_key_of_1025_bytes_is_refused(aws: Aws) {
    let bucket = aws.bucket().await;
    let request = bucket.put("x".repeat(1025), "");
    assert_refused(request.send().await, 400, "KeyTooLongError");
}

async fn metadata_over_2_kb_is_refused(aws: Aws) {
    let bucket = aws.bucket().await;
    let put = |length: usize| {
        let value = "v".repeat(length);
        bucket.put("k", "").metadata("name", value).send()
    };
    put(2048 - 4).await.unwrap();
    assert_refused(put(2048 - 3).await, 400, "MetadataTooLarge");
}

async fn ranges(aws: Aws) {
    let bucket = aws.bucket().await;
    bucket.write("k", "0123456789").await;
    let cases = [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=3-5", "345", "bytes 3-5/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=8-99", "89", "bytes 8-9/10"),
        ("bytes=-99", "0123456789", "bytes 0-9/10"),
    ];
    for (range, body, content_range) in cases {
        let got = bucket.get("k").range(range).send().await.unwrap();
        assert_eq!(got.content_range(), Some(content_range), "{range}");
        assert_eq!(got.content_length(), Some(body.len() as i64), "{range}");
        assert_eq!(text(got.body).await, body, "{range}");
    }
    let beyond = bucket.get("k").range("bytes=10-").send().await;
    assert_refused(beyond, 416, "InvalidRange");
}

async fn absent_things(aws: Aws) {
    let bucket = aws.bucket().await;
    assert_refused(bucket.get("absent").send().await, 404, "NoSuchKey");
    let head = bucket.head("absent").send().await;
    assert_eq!(refused(head).0, 404);
    // Deleting an absent object succeeds.
    bucket.delete("absent").send().await.unwrap();
    let absent = Bucket::new(aws.s3.clone(), "no-such-bucket-1");
    assert_refused(absent.get("k").send().await, 404, "NoSuchBucket");
    assert_refused(absent.put("k", "").send().await, 404, "NoSuchBucket");
    assert_refused(absent.list().send().await, 404, "NoSuchBucket");
    let head = aws.s3.head_bucket().bucket(absent.name).send().await;
    assert_eq!(refused(head).0, 404);
}

async fn a_bucket_with_objects_stays(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    let (_, version) = bucket.write("k", "v").await;
    let delete = || aws.s3.delete_bucket().bucket(&bucket.name).send();
    assert_refused(delete().await, 409, "BucketNotEmpty");
    let object = bucket.delete("k");
    object.version_id(version.unwrap()).send().await.unwrap();
    delete().await.unwrap();
    let head = aws.s3.head_bucket().bucket(&bucket.name).send().await;
    assert_eq!(refused(head).0, 404);
}

async fn several_deletes_at_once(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    let (_, version) = bucket.write("a", "1").await;
    bucket.write("b & <c>", "2").await;
    let object = |key: &str, version: Option<String>| {
        let object = ObjectIdentifier::builder().key(key);
        object.set_version_id(version).build().unwrap()
    };
    let delete = Delete::builder()
        .objects(object("a", version.clone()))
        .objects(object("b & <c>", None))
        .objects(object("absent", None))
        .build()
        .unwrap();
    let request = aws.s3.delete_objects().bucket(&bucket.name);
    let answer = request.delete(delete).send().await.unwrap();
    assert!(answer.errors().is_empty());
    let mut deleted: Vec<_> = answer.deleted().iter().map(|d| d.key().unwrap()).collect();
    deleted.sort_unstable();
    assert_eq!(deleted, ["a", "absent", "b & <c>"]);
    let mut deleted = answer.deleted().iter();
    let marker = deleted.find(|d| d.key() == Some("b & <c>")).unwrap();
    assert_eq!(marker.delete_marker(), Some(true));
    assert!(marker.delete_marker_version_id().is_some());
    let versions = bucket.versions().send().await.unwrap();
    assert_eq!(counts(&versions), (1, 2));
}

async fn encryption_is_repeated(aws: Aws) {
    let bucket = aws.bucket().await;
    let asked = ServerSideEncryption::Aes256;
    let put = bucket.put("k", "").server_side_encryption(asked.clone());
    let put = put.send().await.unwrap();
    assert_eq!(put.server_side_encryption(), Some(&asked));
    let head = bucket.head("k").send().await.unwrap();
    assert_eq!(head.server_side_encryption(), Some(&asked));
}

async fn the_storage_class_is_repeated(aws: Aws) {
    let bucket = aws.bucket().await;
    let asked = StorageClass::StandardIa;
    let put = bucket.put("k", "").storage_class(asked.clone());
    put.send().await.unwrap();
    let head = bucket.head("k").send().await.unwrap();
    assert_eq!(head.storage_class(), Some(&asked));
    let listed = bucket.list().send().await.unwrap();
    let class = listed.contents()[0].storage_class();
    assert_eq!(class, Some(&ObjectStorageClass::StandardIa));
}

async fn the_attributes_of_an_object(aws: Aws) {
    let bucket = aws.bucket().await;
    bucket.write("k", "hello").await;
    let get = || aws.s3.get_object_attributes().bucket(&bucket.name).key("k");
    let all = get()
        .object_attributes(ObjectAttributes::Etag)
        .object_attributes(ObjectAttributes::Checksum)
        .object_attributes(ObjectAttributes::ObjectParts)
        .object_attributes(ObjectAttributes::StorageClass)
        .object_attributes(ObjectAttributes::ObjectSize);
    let all = all.send().await.unwrap();
    let etag = all.e_tag().unwrap().trim_matches('"');
    assert_eq!(etag, "5d41402abc4b2a76b9719d911017c592");
    assert_eq!(all.object_size(), Some(5));
    assert_eq!(all.storage_class(), Some(&StorageClass::Standard));
    assert_eq!(all.checksum().unwrap().checksum_crc32(), Some("NhCmhg=="));
    assert!(all.object_parts().is_none());
    let size = get().object_attributes(ObjectAttributes::ObjectSize);
    let size = size.send().await.unwrap();
    assert_eq!((size.e_tag(), size.object_size()), (None, Some(5)));
    let unknown = get().object_attributes("Colour".into()).send().await;
    assert_refused(unknown, 400, "InvalidArgument");
}
