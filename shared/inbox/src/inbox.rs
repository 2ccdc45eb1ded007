//! The inbox, and the vault that receives its sealed files.

use std::time::{Duration, SystemTime};

use caas_audit::Trail;
use caas_aws::{Version, VersionedBucket};
use caas_vault::{PART_LEN, Vault};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{InboxSettings, SweepSettings};

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
    pub(crate) sweep: SweepSettings,
    pub(crate) trail: Trail,
    /// An object sealed in parts takes about 40 MiB of memory: one at a time.
    large: Semaphore,
}

impl Inbox {
    /// The inbox with these settings.
    pub fn new(
        s3: aws_sdk_s3::Client,
        vault: Vault,
        settings: InboxSettings,
        sweep: SweepSettings,
    ) -> Self {
        Self {
            bucket: VersionedBucket::new(s3, &settings.bucket),
            vault,
            settings,
            sweep,
            trail: Trail::default(),
            large: Semaphore::new(1),
        }
    }

    /// The same, with an audit trail: a pair of lines for each key whose dropped versions are removed.
    pub fn with_trail(self, trail: Trail) -> Self {
        Self { trail, ..self }
    }

    /// The name of the inbox bucket.
    pub fn bucket_name(&self) -> &str {
        self.bucket.name()
    }

    /// Whether no run can be in progress that began before this version was put.
    pub(crate) fn is_old(&self, version: &Version, now: SystemTime) -> bool {
        let since = now.duration_since(version.last_modified);
        since.is_ok_and(|since| since >= self.sweep.longest_run)
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
