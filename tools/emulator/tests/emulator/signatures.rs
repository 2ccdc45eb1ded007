//! Wrong and missing signatures.

use aws_sdk_kms::primitives::Blob;

use crate::{
    ALIAS, BUCKET,
    clients::{kms, refused, s3},
    start,
};

#[tokio::test]
async fn s3_needs_the_right_secret() {
    let (emulator, _folder) = start().await;
    let (url, id, secret) = (
        emulator.s3_url(),
        emulator.access_key_id(),
        emulator.secret_access_key(),
    );
    let cases = [
        (id, "wrong", "SignatureDoesNotMatch"),
        ("AKIAUNKNOWN", secret, "InvalidAccessKeyId"),
    ];
    for (id, secret, code) in cases {
        let put = s3(&url, id, secret)
            .put_object()
            .bucket(BUCKET)
            .key("k")
            .send()
            .await;
        assert_eq!(refused(put), (403, code.to_owned()));
    }
    let anonymous = reqwest::get(format!("{url}/{BUCKET}/k")).await.unwrap();
    assert_eq!(anonymous.status(), 403);
    assert_eq!(emulator.calls().s3(), 0);
    emulator.shutdown().await;
}

#[tokio::test]
async fn kms_needs_the_right_secret() {
    let (emulator, _folder) = start().await;
    let (url, id, secret) = (
        emulator.kms_url(),
        emulator.access_key_id(),
        emulator.secret_access_key(),
    );
    let cases = [
        (id, "wrong", "InvalidSignatureException"),
        ("AKIAUNKNOWN", secret, "UnrecognizedClientException"),
    ];
    for (id, secret, code) in cases {
        let encrypt = kms(&url, id, secret)
            .encrypt()
            .key_id(ALIAS)
            .plaintext(Blob::new("x"));
        assert_eq!(refused(encrypt.send().await), (400, code.to_owned()));
    }
    let unsigned = reqwest::Client::new()
        .post(&url)
        .header("x-amz-target", "TrentService.ListKeys");
    let unsigned = unsigned.body("{}").send().await.unwrap();
    assert_eq!(unsigned.status(), 400);
    assert!(
        unsigned
            .text()
            .await
            .unwrap()
            .contains("MissingAuthenticationTokenException")
    );
    emulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_arrives_although_the_body_is_large() {
    let (emulator, _folder) = start().await;
    let (url, id) = (emulator.s3_url(), emulator.access_key_id());
    let body = || vec![7; 24 << 20].into();
    for _ in 0..5 {
        let right = s3(&url, id, emulator.secret_access_key());
        let put = right
            .put_object()
            .bucket("absent")
            .key("k")
            .body(body())
            .send()
            .await;
        assert_eq!(refused(put), (404, "NoSuchBucket".to_owned()));
        let part = right
            .upload_part()
            .bucket(BUCKET)
            .key("k")
            .upload_id("x")
            .part_number(1);
        let part = part.body(body()).send().await;
        assert_eq!(refused(part), (404, "NoSuchUpload".to_owned()));
        let wrong = s3(&url, id, "wrong")
            .put_object()
            .bucket(BUCKET)
            .key("k")
            .body(body());
        assert_eq!(
            refused(wrong.send().await),
            (403, "SignatureDoesNotMatch".to_owned())
        );
    }
    emulator.shutdown().await;
}
