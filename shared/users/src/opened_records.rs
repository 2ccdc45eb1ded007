//! Users' records, sealed and opened with keys from KMS; the opened ones are kept in memory.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use caas_aws::{Aged, AgedCache, Clock, Evicted, KmsKey, Moment};
use caas_crypto::{RecordContent, RecordKey, UserId, UserKeyset, UserRecord};

use crate::{UserKeyError, record_store::Stored};

/// The most key versions in memory.
const CAPACITY: u64 = 10_000;

/// The KMS key that wraps the keys of records, and the records opened most recently.
pub(crate) struct OpenedRecords {
    kms: KmsKey,
    cache: AgedCache<UserId, Read>,
}

impl OpenedRecords {
    pub(crate) fn new(kms: KmsKey, max_age: Duration, clock: Clock) -> Self {
        Self {
            kms,
            cache: AgedCache::new(CAPACITY, max_age, clock),
        }
    }

    /// The record of this keyset, or its tombstone if it has no version. One GenerateDataKey.
    pub(crate) async fn seal(
        &self,
        user: &UserId,
        keyset: &UserKeyset,
    ) -> Result<UserRecord, UserKeyError> {
        if keyset.versions().is_empty() {
            let context = user.tombstone_context(keyset.highest());
            let (_, wrapped_key) = self.kms.generate(pairs(&context)).await?;
            let content = RecordContent::ShreddedUpTo(keyset.highest());
            return Ok(UserRecord {
                wrapped_key,
                content,
            });
        }
        let context = user.record_context();
        let (key, wrapped_key) = self.kms.generate(pairs(&context)).await?;
        let key = RecordKey::try_from(key.as_slice()).map_err(|_| UserKeyError::Unavailable)?;
        let body = keyset.seal(key, user).map_err(|error| {
            tracing::error!(%error, "cannot seal a user's record");
            UserKeyError::Unavailable
        })?;
        Ok(UserRecord {
            wrapped_key,
            content: RecordContent::Body(body),
        })
    }

    /// The keyset of a record, from memory or with one Decrypt. A tombstone's has no version.
    pub(crate) async fn open(
        &self,
        user: &UserId,
        stored: &Stored,
        asked: Moment,
    ) -> Result<Arc<UserKeyset>, UserKeyError> {
        let accept = |found: &Aged<Read>| {
            found.value.hash == stored.hash && found.value.opened.keyset().is_some()
        };
        let read = || self.open_with_kms(user, stored);
        let found = self.cache.load(user, asked, accept, read).await?;
        found.value.opened.keyset().ok_or(UserKeyError::Unavailable)
    }

    /// Caches the keyset of the record with this hash, which was made at `since`.
    pub(crate) async fn insert(
        &self,
        user: &UserId,
        since: Moment,
        hash: [u8; 32],
        keyset: Arc<UserKeyset>,
    ) {
        let read = Read::new(hash, keyset);
        let is_same = |cached: &Read| cached.hash == hash;
        let cache = &self.cache;
        cache
            .insert_unless(user.clone(), since, read, is_same)
            .await;
    }

    /// The same for a record that is about to be written, if none is cached.
    pub(crate) async fn expect(
        &self,
        user: &UserId,
        since: Moment,
        hash: [u8; 32],
        keyset: Arc<UserKeyset>,
    ) {
        let read = Read::new(hash, keyset);
        let cache = &self.cache;
        cache
            .insert_unless(user.clone(), since, read, |_| true)
            .await;
    }

    pub(crate) async fn forget(&self, user: &UserId) {
        self.cache.forget(user).await;
    }

    async fn open_with_kms(&self, user: &UserId, stored: &Stored) -> Result<Read, UserKeyError> {
        let wrapped = &stored.record.wrapped_key;
        let keyset = match &stored.record.content {
            RecordContent::ShreddedUpTo(highest) => {
                let context = user.tombstone_context(*highest);
                self.kms.unwrap(wrapped, pairs(&context)).await?;
                UserKeyset::shredded(*highest)
            }
            RecordContent::Body(body) => {
                let context = user.record_context();
                let key = self.kms.unwrap(wrapped, pairs(&context)).await?;
                let key = RecordKey::try_from(key.as_slice()).map_err(|_| UserKeyError::Damaged)?;
                UserKeyset::open(&key, user, body).map_err(|_| {
                    tracing::error!("the body of a user's record is not authentic");
                    UserKeyError::Damaged
                })?
            }
        };
        Ok(Read::new(stored.hash, Arc::new(keyset)))
    }
}

fn pairs<'a>(context: &'a [(&'static str, String)]) -> impl Iterator<Item = (&'a str, &'a str)> {
    context.iter().map(|(name, value)| (*name, value.as_str()))
}

/// A keyset and the hash of the record it was read from.
struct Read {
    hash: [u8; 32],
    opened: Opened,
}

impl Read {
    fn new(hash: [u8; 32], keyset: Arc<UserKeyset>) -> Self {
        Self {
            hash,
            opened: Opened::new(keyset),
        }
    }
}

impl Evicted for Read {
    fn evicted(&self) {
        self.opened.evicted();
    }

    fn weight(&self) -> u32 {
        self.opened.weight()
    }
}

/// A cached keyset.
pub(crate) struct Opened(RwLock<Option<Arc<UserKeyset>>>);

impl Opened {
    pub(crate) fn new(keyset: Arc<UserKeyset>) -> Self {
        Self(RwLock::new(Some(keyset)))
    }

    /// The keyset, until it leaves the cache.
    pub(crate) fn keyset(&self) -> Option<Arc<UserKeyset>> {
        let keyset = self.0.read().unwrap_or_else(PoisonError::into_inner);
        keyset.clone()
    }
}

/// Wipes the keys, at once or when the last request that uses them is done.
impl Evicted for Opened {
    fn evicted(&self) {
        let mut keyset = self.0.write().unwrap_or_else(PoisonError::into_inner);
        keyset.take();
    }

    fn weight(&self) -> u32 {
        let versions = self.keyset().map_or(0, |keyset| keyset.versions().len());
        u32::try_from(versions).unwrap_or(u32::MAX).max(1)
    }
}
