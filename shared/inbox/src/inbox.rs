//! The inbox, and the vault that receives its sealed files.

use std::time::Duration;

use caas_aws::VersionedBucket;
use caas_vault::{PART_LEN, Vault};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::InboxSettings;

/// How many keys are processed concurrently.
pub const CONCURRENCY: usize = 4;

/// How long one S3 request of a run may take. No client waits for it, and S3 needs time to complete
/// an upload of gigabytes.
pub const S3_TIMEOUT: Duration = Duration::from_secs(120);

/// Seals the files dropped in one bucket into a vault, under the same keys.
#[derive(Debug)]
pub struct Inbox {
    pub(crate) bucket: VersionedBucket,
    pub(crate) vault: Vault,
    pub(crate) settings: InboxSettings,
    /// An object sealed in parts takes about 40 MiB of memory: one at a time.
    large: Semaphore,
}

impl Inbox {
    /// The inbox with these settings.
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

    /// Waits until memory for an object of `size` bytes is free.
    pub(crate) async fn memory_for(&self, size: u64) -> Option<SemaphorePermit<'_>> {
        if size <= PART_LEN as u64 {
            return None;
        }
        // The semaphore is never closed.
        self.large.acquire().await.ok()
    }
}
