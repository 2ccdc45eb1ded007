//! Guarantees of this emulator: durability, races, complete checks of signatures.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use caas_emulator::{BucketConfig, Config, Emulator};
use caas_testing::clients;
use tempfile::TempDir;

use self::requests::Bucket;

mod browsers;
mod damage;
mod disk_errors;
mod durability;
mod expiry;
mod lifecycle;
mod memory;
mod presigned;
mod races;
mod refusals;
#[path = "../aws_behaviour/requests.rs"]
mod requests;
mod signatures;

/// The buckets and the alias of these tests.
const BUCKET: &str = "bucket";
const UNVERSIONED: &str = "unversioned";
const ALIAS: &str = "alias/test";

/// An emulator with two buckets and a key.
async fn start() -> (Emulator, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (start_in(folder.path()).await, folder)
}

/// The same, on a folder that may have data.
async fn start_in(folder: &std::path::Path) -> Emulator {
    let mut config = Config::new(folder);
    config.buckets.push(BucketConfig::versioned(BUCKET));
    config.buckets.push(BucketConfig::unversioned(UNVERSIONED));
    config.key_aliases.push(ALIAS.to_owned());
    Emulator::start(config).await.unwrap()
}

/// The bucket with versioning.
fn bucket_of(emulator: &Emulator) -> Bucket {
    Bucket::new(clients::s3_of(emulator), BUCKET)
}
