//! Multipart uploads.

use aws_sdk_s3::{
    operation::{
        complete_multipart_upload::{
            CompleteMultipartUploadOutput, builders::CompleteMultipartUploadFluentBuilder,
        },
        head_object::HeadObjectOutput,
        upload_part::builders::UploadPartFluentBuilder,
    },
    types::{
        ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart,
        ObjectAttributes,
    },
};

use crate::{
    Aws,
    clients::refused,
    requests::{Bucket, assert_refused, text},
};

crate::behaviours! {
    parts_become_one_object,
    a_part_can_be_replaced,
    parts_must_be_in_order,
    a_part_must_be_what_was_uploaded,
    a_small_part_must_be_the_last,
    an_upload_ends_once,
    an_aborted_upload_leaves_nothing,
    parts_and_uploads_are_listed,
    parts_are_listed_with_their_checksums,
    uploads_of_a_prefix_are_listed,
    an_unknown_upload,
    part_numbers_have_limits,
    a_composite_checksum,
    a_full_object_checksum,
    the_default_checksum_is_of_the_full_object,
    a_part_with_the_wrong_checksum_is_refused,
    a_part_with_the_wrong_md5_is_refused,
    an_upload_needs_a_part,
    the_announced_object_size_must_be_right,
    the_parts_are_attributes_of_the_object,
}

const FIVE_MIB: usize = 5 * 1024 * 1024;

struct Upload {
    bucket: Bucket,
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
        let request = bucket.begin("k").content_type("text/x").metadata("m", "1");
        let request = request.set_checksum_algorithm(algorithm);
        let created = request.set_checksum_type(kind).send().await.unwrap();
        Self {
            bucket,
            id: created.upload_id.unwrap(),
        }
    }

    fn request(&self, number: i32) -> UploadPartFluentBuilder {
        let request = self.bucket.part("k").upload_id(&self.id);
        request.part_number(number)
    }

    async fn part(&self, number: i32, body: Vec<u8>) -> CompletedPart {
        let part = self.request(number).body(body.into()).send().await.unwrap();
        CompletedPart::builder()
            .part_number(number)
            .e_tag(part.e_tag().unwrap())
            .set_checksum_crc32(part.checksum_crc32)
            .build()
    }

    fn completion(&self, parts: &[CompletedPart]) -> CompleteMultipartUploadFluentBuilder {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec()));
        let request = self.bucket.complete("k").upload_id(&self.id);
        request.multipart_upload(parts.build())
    }

    async fn complete(&self, parts: &[CompletedPart]) -> CompleteMultipartUploadOutput {
        self.completion(parts).send().await.unwrap()
    }

    /// Asserts that the upload cannot be completed with these parts.
    async fn assert_incomplete(&self, parts: &[CompletedPart], status: u16, code: &str) {
        assert_refused(self.completion(parts).send().await, status, code);
    }

    /// The object's headers, with its checksum.
    async fn head(&self) -> HeadObjectOutput {
        let request = self.bucket.head("k").checksum_mode(ChecksumMode::Enabled);
        request.send().await.unwrap()
    }

    async fn under_way(&self) -> usize {
        self.bucket.uploads().send().await.unwrap().uploads().len()
    }
}

async fn parts_become_one_object(aws: Aws) {
    let upload = Upload::new(&aws).await;
    let second = upload.part(7, b"end".to_vec()).await;
    let first = upload.part(2, vec![b'x'; FIVE_MIB]).await;
    assert_eq!(upload.bucket.read("k").await.unwrap_err().0, 404);
    let completed = upload.complete(&[first, second]).await;
    // md5(md5(part 1) ‖ md5(part 2)), as computed by Python's hashlib.
    assert_eq!(
        completed.e_tag(),
        Some("\"6d7c5fbffce55b2eb513ca823d7235b2-2\"")
    );
    assert!(completed.version_id().is_some());
    let got = upload.bucket.get("k").send().await.unwrap();
    assert_eq!(
        (got.e_tag(), got.content_type()),
        (completed.e_tag(), Some("text/x"))
    );
    assert_eq!(got.metadata().unwrap()["m"], "1");
    let body = got.body.collect().await.unwrap().into_bytes();
    assert!(body.len() == FIVE_MIB + 3 && body.ends_with(b"xend"));
    let across = upload.bucket.get("k").range("bytes=5242879-5242880");
    assert_eq!(text(across.send().await.unwrap().body).await, "xe");
    assert_eq!(upload.under_way().await, 0);
}

async fn a_part_can_be_replaced(aws: Aws) {
    let upload = Upload::new(&aws).await;
    upload.part(1, b"first".to_vec()).await;
    let part = upload.part(1, b"second".to_vec()).await;
    upload.complete(&[part]).await;
    assert_eq!(upload.bucket.read("k").await.as_deref(), Ok("second"));
}

async fn parts_must_be_in_order(aws: Aws) {
    let upload = Upload::new(&aws).await;
    let first = upload.part(1, vec![0; FIVE_MIB]).await;
    let second = upload.part(2, vec![0; FIVE_MIB]).await;
    let parts = [second, first];
    upload
        .assert_incomplete(&parts, 400, "InvalidPartOrder")
        .await;
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
        upload.assert_incomplete(&[wrong], 400, "InvalidPart").await;
    }
    assert_eq!(upload.under_way().await, 1);
}

async fn a_small_part_must_be_the_last(aws: Aws) {
    let upload = Upload::new(&aws).await;
    let first = upload.part(1, vec![0; FIVE_MIB - 1]).await;
    let second = upload.part(2, vec![0; 1]).await;
    let parts = [first, second];
    upload
        .assert_incomplete(&parts, 400, "EntityTooSmall")
        .await;
}

async fn an_upload_ends_once(aws: Aws) {
    let upload = Upload::new(&aws).await;
    let part = upload.part(1, b"part".to_vec()).await;
    upload.complete(std::slice::from_ref(&part)).await;
    upload.assert_incomplete(&[part], 404, "NoSuchUpload").await;
}

async fn an_aborted_upload_leaves_nothing(aws: Aws) {
    let upload = Upload::new(&aws).await;
    let part = upload.part(1, b"part".to_vec()).await;
    let abort = upload.bucket.abort("k").upload_id(&upload.id);
    abort.send().await.unwrap();
    assert_eq!(upload.under_way().await, 0);
    assert_eq!(upload.bucket.read("k").await.unwrap_err().0, 404);
    upload.assert_incomplete(&[part], 404, "NoSuchUpload").await;
}

async fn parts_and_uploads_are_listed(aws: Aws) {
    let upload = Upload::new(&aws).await;
    for number in [1, 3, 5] {
        upload.part(number, vec![b'x'; number as usize]).await;
    }
    let list = |marker: Option<String>| {
        let request = upload.bucket.parts("k").upload_id(&upload.id);
        request.set_part_number_marker(marker).max_parts(2).send()
    };
    let page = list(None).await.unwrap();
    let numbers = page.parts().iter().map(|part| part.part_number().unwrap());
    assert_eq!(numbers.collect::<Vec<_>>(), [1, 3]);
    assert_eq!(page.is_truncated(), Some(true));
    let page = list(page.next_part_number_marker).await.unwrap();
    let [part] = page.parts() else {
        panic!("{page:?}")
    };
    assert_eq!((part.part_number(), part.size()), (Some(5), Some(5)));
    assert_eq!(page.is_truncated(), Some(false));
    let uploads = upload.bucket.uploads().send().await.unwrap();
    assert_eq!(uploads.uploads()[0].upload_id(), Some(upload.id.as_str()));
    assert_eq!(uploads.uploads()[0].key(), Some("k"));
}

async fn parts_are_listed_with_their_checksums(aws: Aws) {
    let upload = Upload::with(&aws, Some(ChecksumAlgorithm::Crc32), None).await;
    let part = upload.part(1, b"123456789".to_vec()).await;
    let listed = upload.bucket.parts("k").upload_id(&upload.id).send().await;
    let listed = listed.unwrap();
    assert_eq!(listed.checksum_algorithm(), Some(&ChecksumAlgorithm::Crc32));
    // The check value of CRC-32: cbf43926.
    assert_eq!(listed.parts()[0].checksum_crc32(), Some("y/Q5Jg=="));
    assert_eq!(listed.parts()[0].e_tag(), part.e_tag());
}

async fn uploads_of_a_prefix_are_listed(aws: Aws) {
    let bucket = aws.bucket().await;
    for key in ["a", "a/b", "a/bc", "b"] {
        bucket.begin(key).send().await.unwrap();
    }
    let listed = bucket.uploads().prefix("a/b").send().await.unwrap();
    let keys = listed.uploads().iter().map(|upload| upload.key().unwrap());
    assert_eq!(keys.collect::<Vec<_>>(), ["a/b", "a/bc"]);
}

async fn an_unknown_upload(aws: Aws) {
    let bucket = aws.bucket().await;
    let request = bucket.parts("k").upload_id("unknown");
    assert_refused(request.send().await, 404, "NoSuchUpload");
    let request = bucket.part("k").upload_id("unknown").part_number(1);
    assert_refused(request.send().await, 404, "NoSuchUpload");
    let request = bucket.abort("k").upload_id("unknown");
    assert_refused(request.send().await, 404, "NoSuchUpload");
}

async fn part_numbers_have_limits(aws: Aws) {
    let upload = Upload::new(&aws).await;
    for number in [0, 10_001] {
        let part = upload.request(number).send().await;
        assert_refused(part, 400, "InvalidArgument");
    }
}

async fn a_composite_checksum(aws: Aws) {
    let upload = Upload::with(&aws, Some(ChecksumAlgorithm::Crc32), None).await;
    let first = upload.part(1, vec![b'x'; FIVE_MIB]).await;
    let second = upload.part(2, b"end".to_vec()).await;
    let completed = upload.complete(&[first, second]).await;
    // CRC-32 of the two parts' CRC-32, as computed by Python's zlib.
    assert_eq!(completed.checksum_crc32(), Some("8QCl5Q==-2"));
}

async fn a_full_object_checksum(aws: Aws) {
    let kind = Some(ChecksumType::FullObject);
    let upload = Upload::with(&aws, Some(ChecksumAlgorithm::Crc32), kind.clone()).await;
    let first = upload.part(1, vec![b'x'; FIVE_MIB]).await;
    let second = upload.part(2, b"end".to_vec()).await;
    let completed = upload.complete(&[first, second]).await;
    assert_eq!(completed.checksum_type(), kind.as_ref());
    // CRC-32 of all bytes, as computed by Python's zlib.
    assert_eq!(upload.head().await.checksum_crc32(), Some("ZVysAw=="));
}

async fn the_default_checksum_is_of_the_full_object(aws: Aws) {
    let upload = Upload::new(&aws).await;
    let part = upload.part(1, b"123456789".to_vec()).await;
    upload.complete(&[part]).await;
    let head = upload.head().await;
    assert_eq!(head.checksum_type(), Some(&ChecksumType::FullObject));
}

async fn a_part_with_the_wrong_checksum_is_refused(aws: Aws) {
    let upload = Upload::new(&aws).await;
    let request = upload.request(1).body(b"part".to_vec().into());
    let part = request.checksum_crc32("AAAAAA==").send().await;
    assert_eq!(refused(part).0, 400);
}

async fn a_part_with_the_wrong_md5_is_refused(aws: Aws) {
    let upload = Upload::new(&aws).await;
    // MD5 of `part` and of nothing, as computed by Python's hashlib.
    for (md5, refusal) in [
        ("1B2M2Y8AsgTpgAmY7PhCfg==", Some("BadDigest")),
        ("1B2M2Y8AsgTpgAmY7PhC", Some("InvalidDigest")),
        ("9Mk4XxkC9zNLALm07NFk3g==", None),
    ] {
        let part = upload.request(1).body(b"part".to_vec().into());
        let part = part.content_md5(md5).send().await;
        match refusal {
            Some(code) => assert_refused(part, 400, code),
            None => drop(part.unwrap()),
        }
    }
}

async fn an_upload_needs_a_part(aws: Aws) {
    let upload = Upload::new(&aws).await;
    upload.assert_incomplete(&[], 400, "MalformedXML").await;
}

async fn the_announced_object_size_must_be_right(aws: Aws) {
    let upload = Upload::new(&aws).await;
    let part = upload.part(1, b"part".to_vec()).await;
    let complete = |size: i64| {
        let request = upload.completion(std::slice::from_ref(&part));
        request.mpu_object_size(size).send()
    };
    assert_refused(complete(5).await, 400, "InvalidRequest");
    complete(4).await.unwrap();
}

async fn the_parts_are_attributes_of_the_object(aws: Aws) {
    let upload = Upload::with(&aws, Some(ChecksumAlgorithm::Crc32), None).await;
    let first = upload.part(1, vec![b'x'; FIVE_MIB]).await;
    let second = upload.part(2, b"end".to_vec()).await;
    upload.complete(&[first, second.clone()]).await;
    let get = aws.s3.get_object_attributes().bucket(&upload.bucket.name);
    let get = get
        .key("k")
        .object_attributes(ObjectAttributes::ObjectParts);
    let got = get.part_number_marker("1").send().await.unwrap();
    let parts = got.object_parts().unwrap();
    assert_eq!(parts.total_parts_count(), Some(2));
    let [part] = parts.parts() else {
        panic!("{parts:?}")
    };
    assert_eq!((part.part_number(), part.size()), (Some(2), Some(3)));
    assert_eq!(part.checksum_crc32(), second.checksum_crc32());
}
