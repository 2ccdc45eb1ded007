//! What is not emulated is refused: nothing that would change a result is ignored.

use aws_sdk_kms::{
    primitives::Blob,
    types::{DataKeySpec, OriginType, RecipientInfo, Tag},
};
use aws_sdk_s3::{
    error::ProvideErrorMetadata,
    types::{
        BucketCannedAcl, ObjectCannedAcl, ObjectLockMode, ObjectOwnership, ServerSideEncryption,
        StorageClass,
    },
};

use crate::{
    ALIAS, BUCKET, bucket_of,
    clients::kms_of,
    requests::{assert_refused, text},
    start,
};

const NOT_IMPLEMENTED: &str = "NotImplemented";

#[tokio::test]
async fn s3_ignores_no_header_of_a_write() {
    let (emulator, _folder) = start().await;
    let bucket = bucket_of(&emulator);
    bucket.write("k", "v").await;
    let put = || bucket.put("k", "new");
    for put in [
        put().server_side_encryption(ServerSideEncryption::AwsKms),
        put().ssekms_key_id(ALIAS),
        put().bucket_key_enabled(true),
        put().object_lock_mode(ObjectLockMode::Governance),
        put().website_redirect_location("/other"),
        put().storage_class(StorageClass::Glacier),
        put().write_offset_bytes(1),
    ] {
        assert_refused(put.send().await, 501, NOT_IMPLEMENTED);
    }
    let class = put().storage_class("COLD".into()).send().await;
    assert_refused(class, 400, "InvalidStorageClass");
    for put in [
        put().acl(ObjectCannedAcl::PublicRead),
        put().grant_read("id=somebody"),
    ] {
        assert_refused(put.send().await, 400, "AccessControlListNotSupported");
    }
    put().acl(ObjectCannedAcl::Private).send().await.unwrap();

    let source = format!("{BUCKET}/k");
    let copy = || bucket.copy("copy").copy_source(&source);
    for copy in [
        copy().server_side_encryption(ServerSideEncryption::AwsKms),
        copy().ssekms_key_id(ALIAS),
        copy().copy_source_sse_customer_algorithm("AES256"),
    ] {
        assert_refused(copy.send().await, 501, NOT_IMPLEMENTED);
    }
    let delete = bucket.delete("k").if_match_size(1).send().await;
    assert_refused(delete, 501, NOT_IMPLEMENTED);
    let got = bucket.get("k").send().await.unwrap();
    assert_eq!(text(got.body).await, "new");
    emulator.shutdown().await;
}

#[tokio::test]
async fn s3_ignores_no_header_of_a_new_bucket() {
    let (emulator, _folder) = start().await;
    let s3 = bucket_of(&emulator).s3;
    let create = || s3.create_bucket().bucket("new-bucket");
    let locked = create().object_lock_enabled_for_bucket(true).send().await;
    assert_refused(locked, 501, NOT_IMPLEMENTED);
    let writers = create().object_ownership(ObjectOwnership::ObjectWriter);
    assert_refused(writers.send().await, 501, NOT_IMPLEMENTED);
    let public = create().acl(BucketCannedAcl::PublicRead).send().await;
    assert_refused(public, 400, "AccessControlListNotSupported");
    create().send().await.unwrap();
    emulator.shutdown().await;
}

#[tokio::test]
async fn the_expected_owner_is_compared() {
    let (emulator, _folder) = start().await;
    let bucket = bucket_of(&emulator);
    let put = |owner: &str| bucket.put("k", "v").expected_bucket_owner(owner).send();
    put("000000000000").await.unwrap();
    assert_refused(put("123456789012").await, 403, "AccessDenied");
    let malformed = put("somebody").await;
    assert_refused(malformed, 400, "InvalidBucketOwnerAWSAccountID");
    let copy = bucket.copy("copy").copy_source(format!("{BUCKET}/k"));
    let copy = copy.expected_source_bucket_owner("123456789012");
    assert_refused(copy.send().await, 403, "AccessDenied");
    emulator.shutdown().await;
}

#[tokio::test]
async fn kms_ignores_no_parameter() {
    let (emulator, _folder) = start().await;
    let kms = kms_of(&emulator);
    let unsupported = "UnsupportedOperationException";
    let create = || kms.create_key();
    let tag = Tag::builder().tag_key("a").tag_value("1").build().unwrap();
    for create in [
        create().origin(OriginType::External),
        create().multi_region(true),
        create().policy("{}"),
        create().tags(tag),
    ] {
        assert_refused(create.send().await, 400, unsupported);
    }
    let plain = create().origin(OriginType::AwsKms).multi_region(false);
    plain.send().await.unwrap();
    let request = || {
        let request = kms.generate_data_key().key_id(ALIAS);
        request.key_spec(DataKeySpec::Aes256)
    };
    let made = request().send().await.unwrap();
    let recipient = RecipientInfo::builder()
        .attestation_document(Blob::new("x"))
        .build();
    let enclave = request().recipient(recipient.clone()).send().await;
    assert_refused(enclave, 400, unsupported);
    assert_refused(request().dry_run(true).send().await, 400, unsupported);
    let decrypt = kms.decrypt().ciphertext_blob(made.ciphertext_blob.unwrap());
    let enclave = decrypt.clone().recipient(recipient).send().await;
    assert_refused(enclave, 400, unsupported);
    let dry = decrypt.dry_run(true).send().await.unwrap_err();
    assert_eq!(dry.code(), Some(unsupported));
    emulator.shutdown().await;
}
