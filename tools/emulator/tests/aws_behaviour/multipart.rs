//! Multipart uploads.

use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart,
};

use crate::{Aws, clients::refused};

crate::behaviours! {
    parts_become_one_object,
    a_part_can_be_replaced,
    parts_must_be_in_order,
    a_part_must_be_what_was_uploaded,
    a_small_part_must_be_the_last,
    an_upload_ends_once,
    an_aborted_upload_leaves_nothing,
    parts_and_uploads_are_listed,
    an_unknown_upload,
    part_numbers_have_limits,
    a_composite_checksum,
    a_full_object_checksum,
    the_default_checksum_is_of_the_full_object,
    a_part_with_the_wrong_checksum_is_refused,
    the_announced_object_size_must_be_right,
}

const FIVE_MIB: usize = 5 * 1024 * 1024;

struct Upload {
    aws: Aws,
    bucket: String,
    id: String,
}

impl Upload {
    async fn new(aws: &Aws) -> Self {
        Self::with(aws, None, None).await
    }

    async fn with(
        aws: &Aws,
        algorithm: Option<ChecksumAlgorithm>,
        kind: Option<ChecksumType>,
    ) -> Self {
        let bucket = aws.versioned_bucket().await;
        let request = aws.s3.create_multipart_upload().bucket(&bucket).key("k");
        let request = request
            .set_checksum_algorithm(algorithm)
            .set_checksum_type(kind);
        let request = request.content_type("text/x").metadata("m", "1");
        let created = request.send().await.unwrap();
        Self {
            aws: aws.clone(),
            bucket,
            id: created.upload_id().unwrap().to_owned(),
        }
    }

    async fn part(&self, number: i32, body: Vec<u8>) -> CompletedPart {
        let request = self
            .aws
            .s3
            .upload_part()
            .bucket(&self.bucket)
            .key("k")
            .upload_id(&self.id);
        let request = request.part_number(number).body(body.into());
        let part = request.send().await.unwrap();
        CompletedPart::builder()
            .part_number(number)
            .e_tag(part.e_tag().unwrap())
            .set_checksum_crc32(part.checksum_crc32)
            .build()
    }

    async fn complete(
        &self,
        parts: &[CompletedPart],
    ) -> Result<
        aws_sdk_s3::operation::complete_multipart_upload::CompleteMultipartUploadOutput,
        (u16, String),
    > {
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts.to_vec()))
            .build();
        let request = self
            .aws
            .s3
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key("k");
        let completed = request
            .upload_id(&self.id)
            .multipart_upload(parts)
            .send()
            .await;
        match completed {
            Ok(completed) => Ok(completed),
            failed => Err(refused(failed)),
        }
    }

    async fn under_way(&self) -> usize {
        let listed = self
            .aws
            .s3
            .list_multipart_uploads()
            .bucket(&self.bucket)
            .send()
            .await;
        listed.unwrap().uploads().len()
    }
}

async fn parts_become_one_object(aws: Aws) {
    let upload = Upload::new(&aws).await;
    let second = upload.part(7, b"end".to_vec()).await;
    let first = upload.part(2, vec![b'x'; FIVE_MIB]).await;
    assert_eq!(aws.get(&upload.bucket, "k").await.unwrap_err().0, 404);
    let completed = upload.complete(&[first, second]).await.unwrap();
    // md5(md5(part 1) ‖ md5(part 2)), as computed by Python's hashlib.
    assert_eq!(
        completed.e_tag(),
        Some("\"6d7c5fbffce55b2eb513ca823d7235b2-2\"")
    );
    assert!(completed.version_id().is_some());
    let got = aws
        .s3
        .get_object()
        .bucket(&upload.bucket)
        .key("k")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (got.e_tag(), got.content_type()),
        (completed.e_tag(), Some("text/x"))
    );
    assert_eq!(got.metadata().unwrap()["m"], "1");
    let body = got.body.collect().await.unwrap().into_bytes();
    assert!(body.len() == FIVE_MIB + 3 && body.ends_with(b"xend"));
    let across = aws
        .s3
        .get_object()
        .bucket(&upload.bucket)
        .key("k")
        .range("bytes=5242879-5242880");
    let across = across.send().await.unwrap().body.collect().await.unwrap();
    assert_eq!(across.into_bytes(), "xe");
    assert_eq!(upload.under_way().await, 0);
}

async fn a_part_can_be_replaced(aws: Aws) {
    let upload = Upload::new(&aws).await;
    upload.part(1, b"first".to_vec()).await;
    let part = upload.part(1, b"second".to_vec()).await;
    upload.complete(&[part]).await.unwrap();
    assert_eq!(aws.get(&upload.bucket, "k").await.as_deref(), Ok("second"));
}

async fn parts_must_be_in_order(aws: Aws) {
    let upload = Upload::new(&aws).await;
    let first = upload.part(1, vec![0; FIVE_MIB]).await;
    let second = upload.part(2, vec![0; FIVE_MIB]).await;
    let error = upload.complete(&[second, first]).await.unwrap_err();
    assert_eq!(error, (400, "InvalidPartOrder".to_owned()));
}

async fn a_part_must_be_what_was_uploaded(aws: Aws) {
    let upload = Upload::new(&aws).await;
    let part = upload.part(1, b"part".to_vec()).await;
    let build = |number: i32, etag: &str| {
        let part = CompletedPart::builder().part_number(number).e_tag(etag);
        part.set_checksum_crc32(None).build()
    };
    let absent = build(2, part.e_tag().unwrap());
    let other = build(1, "\"0123456789abcdef0123456789abcdef\"");
    for wrong in [absent, other] {
        let error = upload.complete(&[wrong]).await.unwrap_err();
        assert_eq!(error, (400, "InvalidPart".to_owned()));
    }
    assert_eq!(upload.under_way().await, 1);
}

async fn a_small_part_must_be_the_last(aws: Aws) {
    let upload = Upload::new(&aws).await;
    let first = upload.part(1, vec![0; FIVE_MIB - 1]).await;
    let second = upload.part(2, vec![0; 1]).await;
    let error = upload.complete(&[first, second]).await.unwrap_err();
    assert_eq!(error, (400, "EntityTooSmall".to_owned()));
}

async fn an_upload_ends_once(aws: Aws) {
    let upload = Upload::new(&aws).await;
    let part = upload.part(1, b"part".to_vec()).await;
    upload.complete(std::slice::from_ref(&part)).await.unwrap();
    let again = upload.complete(&[part]).await.unwrap_err();
    assert_eq!(again, (404, "NoSuchUpload".to_owned()));
}

async fn an_aborted_upload_leaves_nothing(aws: Aws) {
    let upload = Upload::new(&aws).await;
    let part = upload.part(1, b"part".to_vec()).await;
    let abort = || {
        let request = aws
            .s3
            .abort_multipart_upload()
            .bucket(&upload.bucket)
            .key("k");
        request.upload_id(&upload.id).send()
    };
    abort().await.unwrap();
    assert_eq!(upload.under_way().await, 0);
    assert_eq!(aws.get(&upload.bucket, "k").await.unwrap_err().0, 404);
    let late = upload.complete(&[part]).await.unwrap_err();
    assert_eq!(late, (404, "NoSuchUpload".to_owned()));
}

async fn parts_and_uploads_are_listed(aws: Aws) {
    let upload = Upload::new(&aws).await;
    for number in [1, 3, 5] {
        upload.part(number, vec![b'x'; number as usize]).await;
    }
    let list = |marker: Option<String>| {
        let request = aws
            .s3
            .list_parts()
            .bucket(&upload.bucket)
            .key("k")
            .upload_id(&upload.id);
        request.set_part_number_marker(marker).max_parts(2).send()
    };
    let page = list(None).await.unwrap();
    let numbers: Vec<_> = page
        .parts()
        .iter()
        .map(|part| part.part_number().unwrap())
        .collect();
    assert_eq!((numbers, page.is_truncated()), (vec![1, 3], Some(true)));
    let page = list(page.next_part_number_marker).await.unwrap();
    let parts: Vec<_> = page
        .parts()
        .iter()
        .map(|p| (p.part_number(), p.size()))
        .collect();
    assert_eq!(
        (parts, page.is_truncated()),
        (vec![(Some(5), Some(5))], Some(false))
    );
    let uploads = aws
        .s3
        .list_multipart_uploads()
        .bucket(&upload.bucket)
        .send()
        .await
        .unwrap();
    assert_eq!(uploads.uploads()[0].upload_id(), Some(upload.id.as_str()));
    assert_eq!(uploads.uploads()[0].key(), Some("k"));
}

async fn an_unknown_upload(aws: Aws) {
    let bucket = aws.bucket().await;
    let request = aws
        .s3
        .upload_part()
        .bucket(&bucket)
        .key("k")
        .upload_id("unknown")
        .part_number(1);
    assert_eq!(
        refused(request.send().await),
        (404, "NoSuchUpload".to_owned())
    );
    let request = aws
        .s3
        .abort_multipart_upload()
        .bucket(&bucket)
        .key("k")
        .upload_id("unknown");
    assert_eq!(
        refused(request.send().await),
        (404, "NoSuchUpload".to_owned())
    );
}

async fn part_numbers_have_limits(aws: Aws) {
    let upload = Upload::new(&aws).await;
    for number in [0, 10_001] {
        let request = aws
            .s3
            .upload_part()
            .bucket(&upload.bucket)
            .key("k")
            .upload_id(&upload.id);
        let part = request.part_number(number).send().await;
        assert_eq!(
            refused(part),
            (400, "InvalidArgument".to_owned()),
            "{number}"
        );
    }
}

async fn a_composite_checksum(aws: Aws) {
    let upload = Upload::with(&aws, Some(ChecksumAlgorithm::Crc32), None).await;
    let first = upload.part(1, vec![b'x'; FIVE_MIB]).await;
    let second = upload.part(2, b"end".to_vec()).await;
    let completed = upload.complete(&[first, second]).await.unwrap();
    // CRC-32 of the two parts' CRC-32, as computed by Python's zlib.
    assert_eq!(completed.checksum_crc32(), Some("8QCl5Q==-2"));
}

async fn a_full_object_checksum(aws: Aws) {
    let kind = Some(ChecksumType::FullObject);
    let upload = Upload::with(&aws, Some(ChecksumAlgorithm::Crc32), kind.clone()).await;
    let first = upload.part(1, vec![b'x'; FIVE_MIB]).await;
    let second = upload.part(2, b"end".to_vec()).await;
    let completed = upload.complete(&[first, second]).await.unwrap();
    assert_eq!(completed.checksum_type(), kind.as_ref());
    let head = aws.s3.head_object().bucket(&upload.bucket).key("k");
    let request = head.checksum_mode(ChecksumMode::Enabled);
    let head = request.send().await.unwrap();
    // CRC-32 of all bytes, as computed by Python's zlib.
    assert_eq!(head.checksum_crc32(), Some("ZVysAw=="));
}

async fn the_default_checksum_is_of_the_full_object(aws: Aws) {
    let upload = Upload::new(&aws).await;
    let part = upload.part(1, b"123456789".to_vec()).await;
    upload.complete(&[part]).await.unwrap();
    let head = aws.s3.head_object().bucket(&upload.bucket).key("k");
    let request = head.checksum_mode(ChecksumMode::Enabled);
    let head = request.send().await.unwrap();
    assert_eq!(head.checksum_type(), Some(&ChecksumType::FullObject));
}

async fn a_part_with_the_wrong_checksum_is_refused(aws: Aws) {
    let upload = Upload::new(&aws).await;
    let request = aws
        .s3
        .upload_part()
        .bucket(&upload.bucket)
        .key("k")
        .upload_id(&upload.id);
    let request = request
        .part_number(1)
        .checksum_crc32("AAAAAA==")
        .body(b"part".to_vec().into());
    assert_eq!(refused(request.send().await).0, 400);
}

async fn the_announced_object_size_must_be_right(aws: Aws) {
    let upload = Upload::new(&aws).await;
    let part = upload.part(1, b"part".to_vec()).await;
    let complete = |size: i64| {
        let parts = CompletedMultipartUpload::builder()
            .parts(part.clone())
            .build();
        let request = aws
            .s3
            .complete_multipart_upload()
            .bucket(&upload.bucket)
            .key("k");
        let request = request.upload_id(&upload.id).multipart_upload(parts);
        request.mpu_object_size(size).send()
    };
    assert_eq!(
        refused(complete(5).await),
        (400, "InvalidRequest".to_owned())
    );
    complete(4).await.unwrap();
}
