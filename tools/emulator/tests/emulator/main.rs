//! Guarantees of this emulator: durability, races, complete checks of signatures.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use aws_sdk_s3::{
    Client,
    operation::{get_object::GetObjectOutput, put_object::PutObjectOutput},
};
use caas_emulator::{BucketConfig, Config, Emulator};
use caas_testing::clients;
use tempfile::TempDir;

mod browsers;
mod durability;
mod lifecycle;
mod memory;
mod presigned;
mod races;
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

/// Puts an object.
async fn put(s3: &Client, key: &str, body: &str) -> PutObjectOutput {
    let put = s3.put_object().bucket(BUCKET).key(key);
    put.body(body.as_bytes().to_vec().into())
        .send()
        .await
        .unwrap()
}

/// Gets an object that exists.
async fn get(s3: &Client, key: &str) -> GetObjectOutput {
    let get = s3.get_object().bucket(BUCKET).key(key);
    get.send().await.unwrap()
}
