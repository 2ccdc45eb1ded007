//! Versions and delete markers.

use aws_sdk_s3::{config::http::HttpResponse, error::SdkError, types::BucketVersioningStatus};

use crate::{
    Aws,
    clients::refused,
    counts,
    requests::{assert_refused, text},
};

crate::behaviours! {
    versioning_is_off_enabled_suspended,
    each_put_is_a_version,
    a_delete_adds_a_marker,
    a_delete_marker_cannot_be_read,
    deleting_the_newest_version_brings_back_the_one_before,
    deleting_a_marker_brings_back_the_object,
    an_unknown_version,
    a_suspended_bucket_replaces_the_null_version,
    an_unversioned_object_becomes_the_null_version,
    an_unversioned_delete_removes,
}

async fn versioning_is_off_enabled_suspended(aws: Aws) {
    let bucket = aws.bucket().await;
    let status = async || {
        let request = aws.s3.get_bucket_versioning().bucket(&bucket.name);
        request.send().await.unwrap().status().cloned()
    };
    assert_eq!(status().await, None);
    for next in [
        BucketVersioningStatus::Enabled,
        BucketVersioningStatus::Suspended,
    ] {
        bucket.set_versioning(next.clone()).await;
        assert_eq!(status().await, Some(next));
    }
}

async fn each_put_is_a_version(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    let (_, first) = bucket.write("k", "first").await;
    let (_, second) = bucket.write("k", "second").await;
    assert_ne!(first, second);
    assert_eq!(bucket.read("k").await.as_deref(), Ok("second"));
    let get = bucket.get("k").set_version_id(first.clone());
    let got = get.send().await.unwrap();
    assert_eq!(got.version_id(), first.as_deref());
    assert_eq!(text(got.body).await, "first");
}

async fn a_delete_adds_a_marker(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    let (_, version) = bucket.write("k", "v").await;
    let deleted = bucket.delete("k").send().await.unwrap();
    assert_eq!(deleted.delete_marker(), Some(true));
    let marker = deleted.version_id().unwrap();
    assert_ne!(Some(marker), version.as_deref());
    assert_eq!(bucket.read("k").await, Err((404, "NoSuchKey".to_owned())));
    let get = bucket.get("k").version_id(version.unwrap());
    get.send().await.unwrap();
    let listed = bucket.list().send().await.unwrap();
    assert!(listed.contents().is_empty());
}

/// A header of a refusal.
fn header<'a, T, E>(
    result: &'a Result<T, SdkError<E, HttpResponse>>,
    name: &str,
) -> Option<&'a str> {
    let response = result.as_ref().err()?.raw_response()?;
    response.headers().get(name)
}

async fn a_delete_marker_cannot_be_read(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    let deleted = bucket.delete("k").send().await.unwrap();
    let marker = deleted.version_id().unwrap();
    let current = bucket.get("k").send().await;
    assert_eq!(header(&current, "x-amz-delete-marker"), Some("true"));
    assert_eq!(header(&current, "x-amz-version-id"), Some(marker));
    assert_refused(current, 404, "NoSuchKey");
    let head = bucket.head("k").send().await;
    assert_eq!(refused(head).0, 404);
    let by_id = bucket.get("k").version_id(marker).send().await;
    assert_eq!(header(&by_id, "x-amz-delete-marker"), Some("true"));
    assert_refused(by_id, 405, "MethodNotAllowed");
    let head = bucket.head("k").version_id(marker).send().await;
    assert_eq!(refused(head).0, 405);
}

async fn deleting_the_newest_version_brings_back_the_one_before(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    bucket.write("k", "first").await;
    let (_, second) = bucket.write("k", "second").await;
    let delete = || bucket.delete("k").set_version_id(second.clone()).send();
    let deleted = delete().await.unwrap();
    assert_eq!(
        (deleted.version_id(), deleted.delete_marker()),
        (second.as_deref(), None)
    );
    assert_eq!(bucket.read("k").await.as_deref(), Ok("first"));
    // A repeat succeeds and changes nothing.
    delete().await.unwrap();
    assert_eq!(bucket.read("k").await.as_deref(), Ok("first"));
}

async fn deleting_a_marker_brings_back_the_object(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    bucket.write("k", "v").await;
    let marker = bucket.delete("k").send().await.unwrap();
    let request = bucket.delete("k").version_id(marker.version_id().unwrap());
    let deleted = request.send().await.unwrap();
    assert_eq!(deleted.delete_marker(), Some(true));
    assert_eq!(bucket.read("k").await.as_deref(), Ok("v"));
}

async fn an_unknown_version(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    let (_, version) = bucket.write("k", "v").await;
    bucket.write("other", "v").await;
    let get = bucket.get("other").set_version_id(version);
    assert_refused(get.send().await, 404, "NoSuchVersion");
}

async fn a_suspended_bucket_replaces_the_null_version(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    let (_, kept) = bucket.write("k", "kept").await;
    bucket
        .set_versioning(BucketVersioningStatus::Suspended)
        .await;
    bucket.write("k", "null 1").await;
    bucket.write("k", "null 2").await;
    let versions = bucket.versions().send().await.unwrap();
    let ids: Vec<_> = versions
        .versions()
        .iter()
        .map(|v| v.version_id().unwrap())
        .collect();
    assert_eq!(ids, ["null", kept.as_deref().unwrap()]);
    let deleted = bucket.delete("k").send().await.unwrap();
    assert_eq!(
        (deleted.delete_marker(), deleted.version_id()),
        (Some(true), Some("null"))
    );
    let versions = bucket.versions().send().await.unwrap();
    assert_eq!(counts(&versions), (1, 1));
}

async fn an_unversioned_object_becomes_the_null_version(aws: Aws) {
    let bucket = aws.bucket().await;
    bucket.write("k", "old").await;
    bucket.set_versioning(BucketVersioningStatus::Enabled).await;
    bucket.write("k", "new").await;
    let old = bucket.get("k").version_id("null").send().await.unwrap();
    assert_eq!(text(old.body).await, "old");
    assert_eq!(bucket.read("k").await.as_deref(), Ok("new"));
}

async fn an_unversioned_delete_removes(aws: Aws) {
    let bucket = aws.bucket().await;
    bucket.write("k", "v").await;
    let deleted = bucket.delete("k").send().await.unwrap();
    assert_eq!(
        (deleted.delete_marker(), deleted.version_id()),
        (None, None)
    );
    let versions = bucket.versions().send().await.unwrap();
    assert_eq!(counts(&versions), (0, 0));
}
