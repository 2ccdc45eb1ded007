//! Behaviours of S3 and KMS that callers rely on, checked with AWS's own clients.
//!
//! Each runs against the emulator and, if `CAAS_MOTO_URL` names a moto server, against moto, another
//! implementation. The table below says where moto differs and why; these behaviours must fail there,
//! so that the table stays true.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use aws_sdk_s3::{
    operation::list_object_versions::ListObjectVersionsOutput,
    types::{BucketVersioningStatus, VersioningConfiguration},
};
use caas_emulator::{Config, Emulator};
use caas_testing::clients;

use self::requests::Bucket;

mod bodies;
mod conditions;
mod copies;
mod cors;
mod kms;
mod listing;
mod multipart;
mod objects;
mod requests;
mod tags;
mod versions;

/// Where moto 5.2.5 differs, and why.
const MOTO_DIFFERS: &str = "
a_bad_token_is_refused: every continuation token is accepted
a_change_during_an_upload_is_a_conflict: completing never conflicts
a_composite_checksum: no checksum is formed from those of the parts
a_copied_range_must_be_in_the_source: a range beyond the source is cut off
a_delete_marker_cannot_be_read: deleting an absent key adds no delete marker
a_disabled_key_does_nothing: a disabled key still works
a_full_object_checksum: no checksum is formed from those of the parts
a_key_of_1025_bytes_is_refused: keys have no limit below the URL's
a_key_pending_deletion_does_nothing: a key pending deletion still works
a_malformed_md5_is_refused: Content-MD5 is ignored
a_page_has_at_most_1000_keys: max-keys has no upper limit
a_part_is_copied_on_a_condition: conditions on the source are ignored
a_part_with_the_wrong_checksum_is_refused: checksums are stored, not compared
a_part_with_the_wrong_md5_is_refused: Content-MD5 is ignored
a_suspended_bucket_replaces_the_null_version: suspending drops the older versions
a_wrong_checksum_is_refused: checksums are stored, not compared
a_wrong_md5_is_refused: Content-MD5 is ignored
an_aborted_upload_leaves_nothing: completing an aborted upload returns 500
an_unknown_upload: a part for an unknown upload returns 500
an_upload_ends_once: a completed upload can be completed again
another_key_does_not_open: returns AccessDeniedException
deleting_a_marker_brings_back_the_object: does not report that a marker was deleted
each_version_has_its_tags: the version id is not returned
every_checksum_is_kept_and_given_back: the checksum type is not returned
metadata_over_2_kb_is_refused: metadata has no limit
part_numbers_have_limits: part number 0 returns NoSuchUpload
parts_and_uploads_are_listed: the root element of ListParts differs from AWS's
parts_are_listed_with_their_checksums: the root element of ListParts differs from AWS's
parts_must_be_in_order: parts are accepted in any order
several_deletes_at_once: deleting an absent key adds no delete marker
the_announced_object_size_must_be_right: x-amz-mp-object-size is ignored
the_attributes_of_an_object: an unknown attribute is ignored
the_default_checksum_is_of_the_full_object: the checksum type is not returned
the_parts_are_attributes_of_the_object: parts are not among the attributes
versioning_is_off_enabled_suspended: the root element of GetBucketVersioning differs from AWS's
wrong_tags_are_refused: duplicate tags are accepted
";

/// The S3 and KMS under test.
#[derive(Clone)]
struct Aws {
    s3: aws_sdk_s3::Client,
    kms: aws_sdk_kms::Client,
}

impl Aws {
    /// A new bucket.
    async fn bucket(&self) -> Bucket {
        let name = format!("b-{}", uuid::Uuid::new_v4());
        let bucket = Bucket::new(self.s3.clone(), name);
        let request = self.s3.create_bucket().bucket(&bucket.name);
        request.send().await.unwrap();
        bucket
    }

    /// A new bucket with versioning enabled.
    async fn versioned_bucket(&self) -> Bucket {
        let bucket = self.bucket().await;
        bucket.set_versioning(BucketVersioningStatus::Enabled).await;
        bucket
    }
}

impl Bucket {
    async fn set_versioning(&self, status: BucketVersioningStatus) {
        let configuration = VersioningConfiguration::builder().status(status).build();
        let request = self.s3.put_bucket_versioning().bucket(&self.name);
        let request = request.versioning_configuration(configuration);
        request.send().await.unwrap();
    }
}

/// The numbers of versions and of delete markers on a page.
fn counts(listed: &ListObjectVersionsOutput) -> (usize, usize) {
    (listed.versions().len(), listed.delete_markers().len())
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
    let mut known = MOTO_DIFFERS
        .lines()
        .filter_map(|line| line.split_once(": "));
    match known.find(|(known, _)| *known == name) {
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
