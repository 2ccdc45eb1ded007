//! Conditional writes, deletes and reads.

use crate::{Aws, clients::refused};

crate::behaviours! {
    if_none_match_creates_once,
    if_match_replaces_what_was_seen,
    if_match_needs_an_object,
    a_delete_marker_counts_as_absent,
    a_wrong_if_match_deletes_nothing,
    conditional_reads,
    a_condition_on_complete,
}

fn failed() -> (u16, String) {
    (412, "PreconditionFailed".to_owned())
}

async fn if_none_match_creates_once(aws: Aws) {
    let bucket = aws.bucket().await;
    let put = |body: &str| {
        let request = aws
            .s3
            .put_object()
            .bucket(&bucket)
            .key("k")
            .if_none_match("*");
        request.body(body.as_bytes().to_vec().into()).send()
    };
    put("first").await.unwrap();
    assert_eq!(refused(put("second").await), failed());
    assert_eq!(aws.get(&bucket, "k").await.as_deref(), Ok("first"));
}

async fn if_match_replaces_what_was_seen(aws: Aws) {
    let bucket = aws.bucket().await;
    let (etag, _) = aws.put(&bucket, "k", "first").await;
    let put = |body: &str| {
        let request = aws.s3.put_object().bucket(&bucket).key("k").if_match(&etag);
        request.body(body.as_bytes().to_vec().into()).send()
    };
    put("second").await.unwrap();
    assert_eq!(refused(put("third").await), failed());
    assert_eq!(aws.get(&bucket, "k").await.as_deref(), Ok("second"));
}

async fn if_match_needs_an_object(aws: Aws) {
    let bucket = aws.bucket().await;
    let put = aws
        .s3
        .put_object()
        .bucket(&bucket)
        .key("k")
        .if_match("\"abc\"")
        .send()
        .await;
    assert_eq!(refused(put), (404, "NoSuchKey".to_owned()));
}

async fn a_delete_marker_counts_as_absent(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    aws.put(&bucket, "k", "first").await;
    let request = aws.s3.delete_object().bucket(&bucket).key("k");
    request.send().await.unwrap();
    let put = aws
        .s3
        .put_object()
        .bucket(&bucket)
        .key("k")
        .if_none_match("*");
    put.body(b"second".to_vec().into()).send().await.unwrap();
    assert_eq!(aws.get(&bucket, "k").await.as_deref(), Ok("second"));
}

async fn a_wrong_if_match_deletes_nothing(aws: Aws) {
    let bucket = aws.bucket().await;
    let (etag, _) = aws.put(&bucket, "k", "kept").await;
    let delete = |etag: &str| {
        aws.s3
            .delete_object()
            .bucket(&bucket)
            .key("k")
            .if_match(etag)
            .send()
    };
    assert_eq!(
        refused(delete("\"0123456789abcdef0123456789abcdef\"").await),
        failed()
    );
    assert_eq!(aws.get(&bucket, "k").await.as_deref(), Ok("kept"));
    delete(&etag).await.unwrap();
    assert_eq!(aws.get(&bucket, "k").await.unwrap_err().0, 404);
}

async fn conditional_reads(aws: Aws) {
    let bucket = aws.bucket().await;
    let (etag, _) = aws.put(&bucket, "k", "body").await;
    let get = || aws.s3.get_object().bucket(&bucket).key("k");
    let head = || aws.s3.head_object().bucket(&bucket).key("k");
    get().if_match(&etag).send().await.unwrap();
    get().if_none_match("\"other\"").send().await.unwrap();
    assert_eq!(refused(get().if_match("\"other\"").send().await), failed());
    assert_eq!(refused(head().if_match("\"other\"").send().await).0, 412);
    assert_eq!(refused(get().if_none_match(&etag).send().await).0, 304);
    assert_eq!(refused(head().if_none_match(&etag).send().await).0, 304);
    let modified = *head().send().await.unwrap().last_modified().unwrap();
    assert_eq!(
        refused(get().if_modified_since(modified).send().await).0,
        304
    );
    get().if_unmodified_since(modified).send().await.unwrap();
}

async fn a_condition_on_complete(aws: Aws) {
    use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
    let bucket = aws.bucket().await;
    let created = aws
        .s3
        .create_multipart_upload()
        .bucket(&bucket)
        .key("k")
        .send()
        .await
        .unwrap();
    let upload_id = created.upload_id().unwrap();
    let part = aws
        .s3
        .upload_part()
        .bucket(&bucket)
        .key("k")
        .upload_id(upload_id)
        .part_number(1);
    let part = part.body(b"part".to_vec().into()).send().await.unwrap();
    let parts = CompletedPart::builder()
        .part_number(1)
        .e_tag(part.e_tag().unwrap())
        .set_checksum_crc32(part.checksum_crc32().map(str::to_owned))
        .build();
    let parts = CompletedMultipartUpload::builder().parts(parts).build();
    let complete = || {
        let request = aws.s3.complete_multipart_upload().bucket(&bucket).key("k");
        request
            .upload_id(upload_id)
            .multipart_upload(parts.clone())
            .if_none_match("*")
            .send()
    };
    aws.put(&bucket, "k", "in the way").await;
    assert_eq!(refused(complete().await), failed());
    assert_eq!(aws.get(&bucket, "k").await.as_deref(), Ok("in the way"));
    // The upload is still there and can be completed later.
    let request = aws.s3.delete_object().bucket(&bucket).key("k");
    request.send().await.unwrap();
    complete().await.unwrap();
    assert_eq!(aws.get(&bucket, "k").await.as_deref(), Ok("part"));
}
