//! Checksums of bodies.

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType};

use crate::{
    Aws,
    requests::{assert_refused, text},
};

crate::behaviours! {
    every_checksum_is_kept_and_given_back,
    a_wrong_checksum_is_refused,
    a_wrong_md5_is_refused,
    a_malformed_md5_is_refused,
    a_range_comes_without_the_checksum,
}

/// The published check values of `123456789`.
const KNOWN: [(ChecksumAlgorithm, &str); 5] = [
    (ChecksumAlgorithm::Crc32, "y/Q5Jg=="),
    (ChecksumAlgorithm::Crc32C, "4waSgw=="),
    (ChecksumAlgorithm::Crc64Nvme, "rosUhgp5mIg="),
    (ChecksumAlgorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
    (
        ChecksumAlgorithm::Sha256,
        "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
    ),
];

async fn every_checksum_is_kept_and_given_back(aws: Aws) {
    let bucket = aws.bucket().await;
    for (algorithm, known) in KNOWN {
        let put = bucket.put("k", "123456789");
        let put = put.checksum_algorithm(algorithm.clone());
        put.send().await.unwrap();
        let request = bucket.head("k").checksum_mode(ChecksumMode::Enabled);
        let head = request.send().await.unwrap();
        let value = match algorithm {
            ChecksumAlgorithm::Crc32 => head.checksum_crc32(),
            ChecksumAlgorithm::Crc32C => head.checksum_crc32_c(),
            ChecksumAlgorithm::Crc64Nvme => head.checksum_crc64_nvme(),
            ChecksumAlgorithm::Sha1 => head.checksum_sha1(),
            _ => head.checksum_sha256(),
        };
        assert_eq!(value, Some(known), "{algorithm:?}");
        assert_eq!(head.checksum_type(), Some(&ChecksumType::FullObject));
        // The SDK checks the body against it.
        assert_eq!(bucket.read("k").await.as_deref(), Ok("123456789"));
    }
}

async fn a_wrong_checksum_is_refused(aws: Aws) {
    let bucket = aws.bucket().await;
    let put = bucket.put("k", "123456789");
    let put = put.checksum_crc32("AAAAAA==").send().await;
    assert_refused(put, 400, "BadDigest");
    assert_eq!(bucket.read("k").await.unwrap_err().0, 404);
}

async fn a_wrong_md5_is_refused(aws: Aws) {
    let bucket = aws.bucket().await;
    let put = |md5: &str| bucket.put("k", "hello").content_md5(md5).send();
    assert_refused(put("AAAAAAAAAAAAAAAAAAAAAA==").await, 400, "BadDigest");
    put("XUFAKrxLKna5cZ2REBfFkg==").await.unwrap();
}

async fn a_malformed_md5_is_refused(aws: Aws) {
    let bucket = aws.bucket().await;
    let put = bucket.put("k", "").content_md5("abc").send().await;
    assert_refused(put, 400, "InvalidDigest");
}

async fn a_range_comes_without_the_checksum(aws: Aws) {
    let bucket = aws.bucket().await;
    bucket.write("k", "123456789").await;
    let get = bucket.get("k").range("bytes=0-3");
    let request = get.checksum_mode(ChecksumMode::Enabled);
    let got = request.send().await.unwrap();
    assert_eq!(got.checksum_crc32(), None);
    assert_eq!(text(got.body).await, "1234");
}
