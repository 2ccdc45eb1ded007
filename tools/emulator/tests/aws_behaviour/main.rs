//! Behaviours of S3 and KMS that callers rely on, checked with AWS's own clients.
//!
//! Each runs against the emulator and, if `CAAS_MOTO_URL` names a moto server, against moto, another
//! implementation. The table below says where moto differs and why; these behaviours must fail there,
//! so that the table stays true.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use caas_emulator::{Config, Emulator};
use caas_testing::clients;

mod bodies;
mod conditions;
mod cors;
mod kms;
mod listing;
mod multipart;
mod objects;
mod versions;

/// Where moto 5.2.5 differs.
const MOTO_DIFFERS: &[(&str, &str)] = &[
    (
        "a_bad_token_is_refused",
        "every continuation token is accepted",
    ),
    (
        "a_composite_checksum",
        "no checksum is formed from those of the parts",
    ),
    (
        "a_delete_marker_cannot_be_read",
        "deleting an absent key adds no delete marker",
    ),
    ("a_disabled_key_does_nothing", "a disabled key still works"),
    (
        "a_full_object_checksum",
        "no checksum is formed from those of the parts",
    ),
    (
        "a_key_of_1025_bytes_is_refused",
        "keys have no limit below the URL's",
    ),
    (
        "a_key_pending_deletion_does_nothing",
        "a key pending deletion still works",
    ),
    ("a_malformed_md5_is_refused", "Content-MD5 is ignored"),
    (
        "a_page_has_at_most_1000_keys",
        "max-keys has no upper limit",
    ),
    (
        "a_part_with_the_wrong_checksum_is_refused",
        "checksums are stored, not compared",
    ),
    (
        "a_suspended_bucket_replaces_the_null_version",
        "suspending drops the older versions",
    ),
    (
        "a_wrong_checksum_is_refused",
        "checksums are stored, not compared",
    ),
    ("a_wrong_md5_is_refused", "Content-MD5 is ignored"),
    (
        "an_aborted_upload_leaves_nothing",
        "completing an aborted upload returns 500",
    ),
    (
        "an_unknown_upload",
        "a part for an unknown upload returns 500",
    ),
    (
        "an_upload_ends_once",
        "a completed upload can be completed again",
    ),
    ("another_key_does_not_open", "returns AccessDeniedException"),
    (
        "deleting_a_marker_brings_back_the_object",
        "does not report that a marker was deleted",
    ),
    (
        "every_checksum_is_kept_and_given_back",
        "the checksum type is not returned",
    ),
    ("metadata_over_2_kb_is_refused", "metadata has no limit"),
    (
        "part_numbers_have_limits",
        "part number 0 returns NoSuchUpload",
    ),
    (
        "parts_and_uploads_are_listed",
        "the root element of ListParts differs from AWS's",
    ),
    ("parts_must_be_in_order", "parts are accepted in any order"),
    (
        "several_deletes_at_once",
        "deleting an absent key adds no delete marker",
    ),
    (
        "the_announced_object_size_must_be_right",
        "x-amz-mp-object-size is ignored",
    ),
    (
        "the_default_checksum_is_of_the_full_object",
        "the checksum type is not returned",
    ),
    (
        "versioning_is_off_enabled_suspended",
        "the root element of GetBucketVersioning differs from AWS's",
    ),
];

/// The S3 and KMS under test.
#[derive(Clone)]
struct Aws {
    s3: aws_sdk_s3::Client,
    kms: aws_sdk_kms::Client,
}

impl Aws {
    /// A new bucket.
    async fn bucket(&self) -> String {
        let name = format!("b-{}", uuid::Uuid::new_v4());
        self.s3.create_bucket().bucket(&name).send().await.unwrap();
        name
    }

    /// A new bucket with versioning enabled.
    async fn versioned_bucket(&self) -> String {
        let name = self.bucket().await;
        self.set_versioning(&name, BucketVersioningStatus::Enabled)
            .await;
        name
    }

    async fn set_versioning(&self, bucket: &str, status: BucketVersioningStatus) {
        let configuration = VersioningConfiguration::builder().status(status).build();
        let request = self.s3.put_bucket_versioning().bucket(bucket);
        let request = request.versioning_configuration(configuration);
        request.send().await.unwrap();
    }

    /// Puts an object and returns its entity tag and version id.
    async fn put(&self, bucket: &str, key: &str, body: &str) -> (String, Option<String>) {
        let request = self.s3.put_object().bucket(bucket).key(key);
        let request = request.body(body.as_bytes().to_vec().into());
        let put = request.send().await.unwrap();
        (put.e_tag.unwrap(), put.version_id)
    }

    /// Reads an object, or returns status and code.
    async fn get(&self, bucket: &str, key: &str) -> Result<String, (u16, String)> {
        match self.s3.get_object().bucket(bucket).key(key).send().await {
            Ok(got) => {
                let bytes = got.body.collect().await.unwrap().into_bytes();
                Ok(String::from_utf8(bytes.to_vec()).unwrap())
            }
            error => Err(clients::refused(error)),
        }
    }
}

/// Runs a behaviour against the emulator.
async fn on_emulator<F: Future<Output = ()>>(behaviour: impl FnOnce(Aws) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let emulator = Emulator::start(Config::new(folder.path())).await.unwrap();
    let aws = Aws {
        s3: clients::s3_of(&emulator),
        kms: clients::kms_of(&emulator),
    };
    behaviour(aws).await;
    emulator.shutdown().await;
}

/// Runs a behaviour against moto, if it is running.
async fn on_moto<F: Future<Output = ()> + Send + 'static>(
    name: &str,
    behaviour: impl FnOnce(Aws) -> F,
) {
    let Ok(url) = std::env::var("CAAS_MOTO_URL") else {
        return;
    };
    let aws = Aws {
        s3: clients::s3(&url, "test", "test"),
        kms: clients::kms(&url, "test", "test"),
    };
    let outcome = tokio::spawn(behaviour(aws)).await;
    match MOTO_DIFFERS.iter().find(|(known, _)| *known == name) {
        Some((_, reason)) => assert!(outcome.is_err(), "moto no longer differs: {reason}"),
        None => outcome.unwrap(),
    }
}

/// Declares each behaviour as two tests, named `…::emulator` and `…::moto`.
macro_rules! behaviours {
    ($($name:ident),* $(,)?) => {
        $(mod $name {
            #[tokio::test]
            async fn emulator() {
                crate::on_emulator(super::$name).await;
            }

            #[tokio::test]
            async fn moto() {
                crate::on_moto(stringify!($name), super::$name).await;
            }
        })*
    };
}
use behaviours;
