//! What every run works with.

use std::time::Duration;

use caas_aws::{Clients, KmsKey, PART_LEN, Vault, VersionedBucket};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::Config;

/// How long one call to S3 may take. Nobody waits for an answer here, and completing an upload of
/// gigabytes takes S3 a while.
pub const S3_TIMEOUT: Duration = Duration::from_secs(120);

/// Inbox, vault, and the limits.
#[derive(Debug)]
pub struct Service {
    pub(crate) config: Config,
    pub(crate) inbox: VersionedBucket,
    pub(crate) vault: Vault,
    /// An object sealed in parts takes some 40 MiB of memory: one at a time.
    large: Semaphore,
}

impl Service {
    /// The service that these clients reach.
    pub fn new(config: Config, clients: Clients) -> Self {
        let key = KmsKey::new(clients.kms, &config.file_key_id);
        Self {
            inbox: VersionedBucket::new(clients.s3.clone(), &config.inbox_bucket),
            vault: Vault::new(clients.s3, &config.vault_bucket, key),
            large: Semaphore::new(1),
            config,
        }
    }

    /// The name of the inbox bucket.
    pub fn inbox_bucket(&self) -> &str {
        self.inbox.name()
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
