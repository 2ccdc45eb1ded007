//! Wrong and missing signatures.

use aws_sdk_kms::primitives::Blob;

use crate::{
    ALIAS, BUCKET, bucket_of,
    clients::{kms, s3},
    requests::{Bucket, assert_refused},
    start,
};

#[tokio::test]
async fn s3_needs_the_right_secret() {
    let (emulator, _folder) = start().await;
    let url = emulator.s3_url();
    let (id, secret) = (emulator.access_key_id(), emulator.secret_access_key());
    let cases = [
        (id, "wrong", "SignatureDoesNotMatch"),
        ("AKIAUNKNOWN", secret, "InvalidAccessKeyId"),
    ];
    for (id, secret, code) in cases {
        let bucket = Bucket::new(s3(&url, id, secret), BUCKET);
        assert_refused(bucket.put("k", "").send().await, 403, code);
    }
    let anonymous = reqwest::get(format!("{url}/{BUCKET}/k")).await.unwrap();
    assert_eq!(anonymous.status(), 403);
    assert_eq!(emulator.calls().s3(), 0);
    emulator.shutdown().await;
}

#[tokio::test]
async fn kms_needs_the_right_secret() {
    let (emulator, _folder) = start().await;
    let url = emulator.kms_url();
    let (id, secret) = (emulator.access_key_id(), emulator.secret_access_key());
    let cases = [
        (id, "wrong", "InvalidSignatureException"),
        ("AKIAUNKNOWN", secret, "UnrecognizedClientException"),
    ];
    for (id, secret, code) in cases {
        let encrypt = kms(&url, id, secret).encrypt().key_id(ALIAS);
        let encrypt = encrypt.plaintext(Blob::new("x")).send().await;
        assert_refused(encrypt, 400, code);
    }
    let unsigned = reqwest::Client::new().post(&url).body("{}");
    let unsigned = unsigned.header("x-amz-target", "TrentService.ListKeys");
    let unsigned = unsigned.send().await.unwrap();
    assert_eq!(unsigned.status(), 400);
    let text = unsigned.text().await.unwrap();
    assert!(
        text.contains("MissingAuthenticationTokenException"),
        "{text}"
    );
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_arrives_although_the_body_is_large() {
    let (emulator, _folder) = start().await;
    let right = bucket_of(&emulator);
    let wrong = s3(&emulator.s3_url(), emulator.access_key_id(), "wrong");
    let wrong = Bucket::new(wrong, BUCKET);
    let absent = Bucket::new(right.s3.clone(), "absent");
    let body = || vec![7; 24 << 20];
    for _ in 0..5 {
        let put = absent.put("k", body()).send().await;
        assert_refused(put, 404, "NoSuchBucket");
        let part = right.part("k").upload_id("x").part_number(1);
        let part = part.body(body().into()).send().await;
        assert_refused(part, 404, "NoSuchUpload");
        let put = wrong.put("k", body()).send().await;
        assert_refused(put, 403, "SignatureDoesNotMatch");
    }
    emulator.shutdown().await;
}
