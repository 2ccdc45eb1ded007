//! Removes what the lifecycle rules of a bucket name.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html>

use std::sync::Arc;

use super::{
    Store, StoreError,
    bucket::{Bucket, Version},
    now_ms,
};
use crate::config::Lifecycle;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl Store {
    /// Removes what is due now.
    pub(crate) async fn expire(
        self: &Arc<Self>,
        bucket: &Arc<Bucket>,
        rules: Lifecycle,
    ) -> Result<(), StoreError> {
        let now = now_ms();
        for upload in bucket.uploads() {
            if is_due(rules.upload_days, upload.record.created_ms, now) {
                match self.abort_upload(bucket, &upload).await {
                    // It ended in the meantime.
                    Err(StoreError::NoSuchUpload) => {}
                    aborted => aborted?,
                }
            }
        }
        let with_due = |(key, versions): (&String, &Vec<Arc<Version>>)| {
            (!due(versions, rules, now).is_empty()).then(|| key.clone())
        };
        let keys: Vec<_> = bucket.index().iter().filter_map(with_due).collect();
        for key in keys {
            let lock = self.lock(bucket, &key).await;
            let bucket = Arc::clone(bucket);
            self.run(move || {
                let _lock = lock;
                let _alive = bucket.alive()?;
                let versions = bucket.index().get(&key).cloned().unwrap_or_default();
                for version in due(&versions, rules, now) {
                    bucket.remove_version(&key, version.record.version_id.as_deref())?;
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}

/// The versions of a key, oldest first, that are due.
fn due(versions: &[Arc<Version>], rules: Lifecycle, now: u64) -> Vec<&Arc<Version>> {
    let pairs = versions.iter().zip(versions.iter().skip(1));
    // A version is noncurrent from when the next one is created.
    let noncurrent =
        pairs.filter(|(_, next)| is_due(rules.noncurrent_days, next.record.created_ms, now));
    let mut due: Vec<_> = noncurrent.map(|(version, _)| version).collect();
    let newest = versions.last();
    if let Some(newest) = newest.filter(|version| version.object().is_none())
        && rules.expired_markers
        && due.len() + 1 == versions.len()
    {
        due.push(newest);
    }
    due
}

fn is_due(days: Option<u32>, since_ms: u64, now: u64) -> bool {
    days.is_some_and(|days| since_ms.saturating_add(u64::from(days) * DAY_MS) <= now)
}
