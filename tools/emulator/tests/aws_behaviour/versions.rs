//! Versions and delete markers.

use aws_sdk_s3::{error::SdkError, types::BucketVersioningStatus};

use crate::{Aws, clients::refused};

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
        let got = aws
            .s3
            .get_bucket_versioning()
            .bucket(&bucket)
            .send()
            .await
            .unwrap();
        got.status().cloned()
    };
    assert_eq!(status().await, None);
    for next in [
        BucketVersioningStatus::Enabled,
        BucketVersioningStatus::Suspended,
    ] {
        aws.set_versioning(&bucket, next.clone()).await;
        assert_eq!(status().await, Some(next));
    }
}

async fn each_put_is_a_version(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    let (_, first) = aws.put(&bucket, "k", "first").await;
    let (_, second) = aws.put(&bucket, "k", "second").await;
    assert_ne!(first, second);
    assert_eq!(aws.get(&bucket, "k").await.as_deref(), Ok("second"));
    let get = aws
        .s3
        .get_object()
        .bucket(&bucket)
        .key("k")
        .set_version_id(first.clone());
    let got = get.send().await.unwrap();
    assert_eq!(got.version_id(), first.as_deref());
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), "first");
}

async fn a_delete_adds_a_marker(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    let (_, version) = aws.put(&bucket, "k", "v").await;
    let deleted = aws
        .s3
        .delete_object()
        .bucket(&bucket)
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.delete_marker(), Some(true));
    let marker = deleted.version_id().unwrap();
    assert_ne!(Some(marker), version.as_deref());
    assert_eq!(
        aws.get(&bucket, "k").await,
        Err((404, "NoSuchKey".to_owned()))
    );
    let get = aws
        .s3
        .get_object()
        .bucket(&bucket)
        .key("k")
        .version_id(version.unwrap());
    get.send().await.unwrap();
    let listed = aws
        .s3
        .list_objects_v2()
        .bucket(&bucket)
        .send()
        .await
        .unwrap();
    assert!(listed.contents().is_empty());
}

async fn a_delete_marker_cannot_be_read(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    let deleted = aws
        .s3
        .delete_object()
        .bucket(&bucket)
        .key("k")
        .send()
        .await
        .unwrap();
    let marker = deleted.version_id().unwrap();
    let current = aws.s3.get_object().bucket(&bucket).key("k").send().await;
    let Err(SdkError::ServiceError(error)) = &current else {
        panic!("{current:?}")
    };
    assert_eq!(
        error.raw().headers().get("x-amz-delete-marker"),
        Some("true")
    );
    assert_eq!(error.raw().headers().get("x-amz-version-id"), Some(marker));
    assert_eq!(refused(current), (404, "NoSuchKey".to_owned()));
    let head = aws.s3.head_object().bucket(&bucket).key("k").send().await;
    assert_eq!(refused(head).0, 404);
    let by_id = aws
        .s3
        .get_object()
        .bucket(&bucket)
        .key("k")
        .version_id(marker)
        .send()
        .await;
    let Err(SdkError::ServiceError(error)) = &by_id else {
        panic!("{by_id:?}")
    };
    assert_eq!(
        error.raw().headers().get("x-amz-delete-marker"),
        Some("true")
    );
    assert_eq!(refused(by_id), (405, "MethodNotAllowed".to_owned()));
    let head = aws
        .s3
        .head_object()
        .bucket(&bucket)
        .key("k")
        .version_id(marker)
        .send()
        .await;
    assert_eq!(refused(head).0, 405);
}

async fn deleting_the_newest_version_brings_back_the_one_before(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    aws.put(&bucket, "k", "first").await;
    let (_, second) = aws.put(&bucket, "k", "second").await;
    let delete = || {
        let request = aws.s3.delete_object().bucket(&bucket).key("k");
        request.set_version_id(second.clone()).send()
    };
    let deleted = delete().await.unwrap();
    assert_eq!(
        (deleted.version_id(), deleted.delete_marker()),
        (second.as_deref(), None)
    );
    assert_eq!(aws.get(&bucket, "k").await.as_deref(), Ok("first"));
    // A repeat succeeds and changes nothing.
    delete().await.unwrap();
    assert_eq!(aws.get(&bucket, "k").await.as_deref(), Ok("first"));
}

async fn deleting_a_marker_brings_back_the_object(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    aws.put(&bucket, "k", "v").await;
    let marker = aws
        .s3
        .delete_object()
        .bucket(&bucket)
        .key("k")
        .send()
        .await
        .unwrap();
    let delete = aws.s3.delete_object().bucket(&bucket).key("k");
    let request = delete.version_id(marker.version_id().unwrap());
    let deleted = request.send().await.unwrap();
    assert_eq!(deleted.delete_marker(), Some(true));
    assert_eq!(aws.get(&bucket, "k").await.as_deref(), Ok("v"));
}

async fn an_unknown_version(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    let (_, version) = aws.put(&bucket, "k", "v").await;
    aws.put(&bucket, "other", "v").await;
    let get = aws
        .s3
        .get_object()
        .bucket(&bucket)
        .key("other")
        .set_version_id(version);
    assert_eq!(refused(get.send().await), (404, "NoSuchVersion".to_owned()));
}

async fn a_suspended_bucket_replaces_the_null_version(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    let (_, kept) = aws.put(&bucket, "k", "kept").await;
    aws.set_versioning(&bucket, BucketVersioningStatus::Suspended)
        .await;
    aws.put(&bucket, "k", "null 1").await;
    aws.put(&bucket, "k", "null 2").await;
    let versions = aws
        .s3
        .list_object_versions()
        .bucket(&bucket)
        .send()
        .await
        .unwrap();
    let ids: Vec<_> = versions
        .versions()
        .iter()
        .map(|v| v.version_id().unwrap())
        .collect();
    assert_eq!(ids, ["null", kept.as_deref().unwrap()]);
    let deleted = aws
        .s3
        .delete_object()
        .bucket(&bucket)
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (deleted.delete_marker(), deleted.version_id()),
        (Some(true), Some("null"))
    );
    let versions = aws
        .s3
        .list_object_versions()
        .bucket(&bucket)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (versions.versions().len(), versions.delete_markers().len()),
        (1, 1)
    );
}

async fn an_unversioned_object_becomes_the_null_version(aws: Aws) {
    let bucket = aws.bucket().await;
    aws.put(&bucket, "k", "old").await;
    aws.set_versioning(&bucket, BucketVersioningStatus::Enabled)
        .await;
    aws.put(&bucket, "k", "new").await;
    let old = aws
        .s3
        .get_object()
        .bucket(&bucket)
        .key("k")
        .version_id("null");
    let old = old.send().await.unwrap();
    assert_eq!(old.body.collect().await.unwrap().into_bytes(), "old");
    assert_eq!(aws.get(&bucket, "k").await.as_deref(), Ok("new"));
}

async fn an_unversioned_delete_removes(aws: Aws) {
    let bucket = aws.bucket().await;
    aws.put(&bucket, "k", "v").await;
    let deleted = aws
        .s3
        .delete_object()
        .bucket(&bucket)
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (deleted.delete_marker(), deleted.version_id()),
        (None, None)
    );
    let versions = aws
        .s3
        .list_object_versions()
        .bucket(&bucket)
        .send()
        .await
        .unwrap();
    assert!(versions.versions().is_empty() && versions.delete_markers().is_empty());
}
