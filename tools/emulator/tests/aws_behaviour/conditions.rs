//! Conditional writes, deletes and reads.

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use crate::{
    Aws,
    clients::refused,
    requests::{Bucket, assert_refused},
};

crate::behaviours! {
    if_none_match_creates_once,
    if_match_replaces_what_was_seen,
    if_match_needs_an_object,
    a_delete_marker_counts_as_absent,
    a_wrong_if_match_deletes_nothing,
    conditional_reads,
    a_condition_on_complete,
    a_change_during_an_upload_is_a_conflict,
}

const FAILED: &str = "PreconditionFailed";

async fn if_none_match_creates_once(aws: Aws) {
    let bucket = aws.bucket().await;
    let put = |body: &str| bucket.put("k", body).if_none_match("*").send();
    put("first").await.unwrap();
    assert_refused(put("second").await, 412, FAILED);
    assert_eq!(bucket.read("k").await.as_deref(), Ok("first"));
}

async fn if_match_replaces_what_was_seen(aws: Aws) {
    let bucket = aws.bucket().await;
    let (etag, _) = bucket.write("k", "first").await;
    let put = |body: &str| bucket.put("k", body).if_match(&etag).send();
    put("second").await.unwrap();
    assert_refused(put("third").await, 412, FAILED);
    assert_eq!(bucket.read("k").await.as_deref(), Ok("second"));
}

async fn if_match_needs_an_object(aws: Aws) {
    let put = aws.bucket().await.put("k", "").if_match("\"abc\"");
    assert_refused(put.send().await, 404, "NoSuchKey");
}

async fn a_delete_marker_counts_as_absent(aws: Aws) {
    let bucket = aws.versioned_bucket().await;
    bucket.write("k", "first").await;
    bucket.delete("k").send().await.unwrap();
    let put = bucket.put("k", "second").if_none_match("*");
    put.send().await.unwrap();
    assert_eq!(bucket.read("k").await.as_deref(), Ok("second"));
}

async fn a_wrong_if_match_deletes_nothing(aws: Aws) {
    let bucket = aws.bucket().await;
    let (etag, _) = bucket.write("k", "kept").await;
    let delete = |etag: &str| bucket.delete("k").if_match(etag).send();
    let other = "\"0123456789abcdef0123456789abcdef\"";
    assert_refused(delete(other).await, 412, FAILED);
    assert_eq!(bucket.read("k").await.as_deref(), Ok("kept"));
    delete(&etag).await.unwrap();
    assert_eq!(bucket.read("k").await.unwrap_err().0, 404);
}

async fn conditional_reads(aws: Aws) {
    let bucket = aws.bucket().await;
    let (etag, _) = bucket.write("k", "body").await;
    let get = || bucket.get("k");
    let head = || bucket.head("k");
    get().if_match(&etag).send().await.unwrap();
    get().if_none_match("\"other\"").send().await.unwrap();
    assert_refused(get().if_match("\"other\"").send().await, 412, FAILED);
    assert_eq!(refused(head().if_match("\"other\"").send().await).0, 412);
    assert_eq!(refused(get().if_none_match(&etag).send().await).0, 304);
    assert_eq!(refused(head().if_none_match(&etag).send().await).0, 304);
    let modified = *head().send().await.unwrap().last_modified().unwrap();
    let unmodified = get().if_modified_since(modified).send().await;
    assert_eq!(refused(unmodified).0, 304);
    get().if_unmodified_since(modified).send().await.unwrap();
}

async fn a_condition_on_complete(aws: Aws) {
    let bucket = aws.bucket().await;
    let id = bucket.begin("k").send().await.unwrap().upload_id.unwrap();
    let parts = one_part(&bucket, &id).await;
    let complete = || {
        let request = bucket.complete("k").upload_id(&id).if_none_match("*");
        request.multipart_upload(parts.clone()).send()
    };
    bucket.write("k", "in the way").await;
    assert_refused(complete().await, 412, FAILED);
    assert_eq!(bucket.read("k").await.as_deref(), Ok("in the way"));
    // The upload is still there and can be completed later.
    bucket.delete("k").send().await.unwrap();
    complete().await.unwrap();
    assert_eq!(bucket.read("k").await.as_deref(), Ok("part"));
}

async fn a_change_during_an_upload_is_a_conflict(aws: Aws) {
    let bucket = aws.bucket().await;
    bucket.write("k", "there").await;
    let id = bucket.begin("k").send().await.unwrap().upload_id.unwrap();
    let parts = one_part(&bucket, &id).await;
    let complete = || {
        let request = bucket.complete("k").upload_id(&id);
        request.multipart_upload(parts.clone())
    };
    bucket.delete("k").send().await.unwrap();
    let created = complete().if_none_match("*").send().await;
    assert_refused(created, 409, "ConditionalRequestConflict");
    let (etag, _) = bucket.write("k", "new").await;
    let replaced = complete().if_match(etag).send().await;
    assert_refused(replaced, 409, "ConditionalRequestConflict");
    // Without a condition the last one wins.
    complete().send().await.unwrap();
    assert_eq!(bucket.read("k").await.as_deref(), Ok("part"));
}

/// Uploads the only part.
async fn one_part(bucket: &Bucket, id: &str) -> CompletedMultipartUpload {
    let part = bucket.part("k").upload_id(id).part_number(1);
    let part = part.body(b"part".to_vec().into()).send().await.unwrap();
    let part = CompletedPart::builder()
        .part_number(1)
        .e_tag(part.e_tag().unwrap())
        .set_checksum_crc32(part.checksum_crc32().map(str::to_owned));
    CompletedMultipartUpload::builder()
        .parts(part.build())
        .build()
}
