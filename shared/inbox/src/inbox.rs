//! The inbox, and the vault that it is sealed into.

use std::time::Duration;

use caas_aws::VersionedBucket;
use caas_vault::{PART_LEN, Vault};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::InboxSettings;

/// Keys that are worked on concurrently.
pub const CONCURRENCY: usize = 4;

/// How long one S3 request of a run may take. Nobody waits for a response, and S3 takes a while to
/// complete an upload of gigabytes.
pub const S3_TIMEOUT: Duration = Duration::from_secs(120);

/// Seals what is dropped in one bucket into a vault, under the same keys.
#[derive(Debug)]
pub struct Inbox {
    pub(crate) bucket: VersionedBucket,
    pub(crate) vault: Vault,
    pub(crate) settings: InboxSettings,
    /// An object sealed in parts takes some 40 MiB of memory: one at a time.
    large: Semaphore,
}

impl Inbox {
    /// The inbox of these settings.
    pub fn new(s3: aws_sdk_s3::Client, vault: Vault, settings: InboxSettings) -> Self {
        Self {
            bucket: VersionedBucket::new(s3, &settings.bucket),
            vault,
            settings,
            large: Semaphore::new(1),
        }
    }

    /// The name of the inbox bucket.
    pub fn bucket_name(&self) -> &str {
        self.bucket.name()
    }

    /// Waits until there is memory for an object of `size` bytes.
    pub(crate) async fn memory_for(&self, size: u64) -> Option<SemaphorePermit<'_>> {
        if size <= PART_LEN as u64 {
            return None;
        }
        // It is never closed.
        self.large.acquire().await.ok()
    }
}
