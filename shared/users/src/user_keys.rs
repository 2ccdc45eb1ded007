//! Users' keys: making, finding, rotating and shredding them.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use caas_aws::{Aged, AgedCache, Clock, KmsKey, Moment, VersionedBucket};
use caas_crypto::{CipherPool, KeyId, SaltPool, UserId, UserKeyVersion, UserKeyset};
use moka::{future::Cache, policy::EvictionPolicy};

use crate::{
    UserKeyError,
    found_record::{FoundRecord, is_live},
    opened_records::{Opened, OpenedRecords},
    record_store::{Found, NewRecord, RecordStore, Stored},
};

/// The most cached records.
const CAPACITY: u64 = 10_000;

/// Attempts at a change. Every failed attempt means that another writer succeeded.
const ATTEMPTS: usize = 100;

/// What users' keys are made from, and how long they are cached.
#[derive(Clone, Debug)]
pub struct UserKeyOptions {
    /// The bucket of the records.
    pub bucket: String,
    /// The ciphers that a new key may use.
    pub ciphers: CipherPool,
    /// The salt lengths that a new key may use.
    pub salts: SaltPool,
    /// How long a key may be used before its record is read again. Zero: every request reads it.
    pub cache_for: Duration,
}

/// The keys of all users: records in S3, wrapped by KMS, and a cache of recently used keys.
///
/// | a user whose key | S3 requests | KMS requests |
/// |---|---|---|
/// | is in memory | 0 | 0 |
/// | is not in memory | 1 | 1 |
/// | does not exist yet | 2 | 1 |
/// | was made by another process meanwhile | 3 | 2 |
///
/// Keys that leave the cache are wiped. An expired key is never used; it is dropped when any key is
/// used next.
pub struct UserKeys {
    store: RecordStore,
    options: UserKeyOptions,
    pub(crate) clock: Clock,
    records: AgedCache<UserId, Option<Stored>>,
    /// The records that this process made, so that concurrent first requests make only one.
    creations: AgedCache<UserId, Opened>,
    opened: OpenedRecords,
    /// When this process last changed a user's record: earlier reads of it are no longer valid.
    changes: Cache<UserId, Moment>,
}

/// Whether a cached record may be used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Once,
    Again,
}

/// One version of a user's keys, as reported to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyVersionInfo {
    /// Its number.
    pub version: u32,
    /// When it was made, in RFC 3339.
    pub created_at: String,
}

impl UserKeys {
    /// The keys whose records are in `options.bucket` and that `kms` wraps.
    pub fn new(s3: aws_sdk_s3::Client, kms: KmsKey, options: UserKeyOptions) -> Self {
        Self::with_clock(s3, kms, options, Arc::new(Moment::now))
    }

    /// As [`new`](Self::new), with another clock.
    pub fn with_clock(
        s3: aws_sdk_s3::Client,
        kms: KmsKey,
        options: UserKeyOptions,
        clock: Clock,
    ) -> Self {
        let max_age = options.cache_for;
        Self {
            store: RecordStore::new(VersionedBucket::new(s3, &options.bucket)),
            records: AgedCache::new(CAPACITY, max_age, Arc::clone(&clock)),
            creations: AgedCache::new(CAPACITY, max_age, Arc::clone(&clock)),
            opened: OpenedRecords::new(kms, max_age, Arc::clone(&clock)),
            changes: Cache::builder()
                .eviction_policy(EvictionPolicy::lru())
                .max_capacity(CAPACITY)
                .time_to_live(max_age)
                .build(),
            options,
            clock,
        }
    }

    /// The key that the user's new values use, made if there is none.
    ///
    /// # Errors
    /// See [`UserKeyError`].
    pub async fn latest(&self, user: &UserId) -> Result<Arc<UserKeyVersion>, UserKeyError> {
        let asked = (self.clock)();
        for _ in 0..ATTEMPTS {
            let found = self.record(user, asked, Look::Once).await?;
            let keyset = self.keyset(user, found.value.as_ref(), asked).await?;
            if let Some(latest) = keyset.latest() {
                return Ok(Arc::clone(latest));
            }
            let create = || self.create(user, found.value.as_ref(), &keyset);
            // A key made while this request was reading is usable; one shredded since is not.
            let accept = |made: &Aged<Opened>| {
                let made = made.value.keyset();
                made.is_some_and(|made| made.highest() > keyset.highest())
            };
            let created = self.creations.load(user, asked, accept, create).await?;
            let latest = created.value.keyset();
            if let Some(latest) = latest.and_then(|keyset| keyset.latest().cloned()) {
                return Ok(latest);
            }
        }
        Err(contended())
    }

    /// The versions that the user has, oldest first, read from the record; `None` if there is no
    /// record, or only a tombstone.
    ///
    /// # Errors
    /// See [`UserKeyError`].
    pub async fn versions(
        &self,
        user: &UserId,
    ) -> Result<Option<Vec<KeyVersionInfo>>, UserKeyError> {
        let asked = (self.clock)();
        let stored = self.store.read(user).await?;
        let keyset = self.keyset(user, stored.as_ref(), asked).await?;
        let infos = keyset.versions().iter().map(|version| KeyVersionInfo {
            version: version.number(),
            created_at: rfc_3339(version.created_at()),
        });
        Ok(keyset.latest().is_some().then(|| infos.collect()))
    }

    /// Gives the user a new key for new values, and returns its number; `None` if the user has no
    /// key. This process uses it at once, another process when its cached record expires.
    ///
    /// # Errors
    /// See [`UserKeyError`].
    pub async fn rotate(&self, user: &UserId) -> Result<Option<u32>, UserKeyError> {
        let asked = (self.clock)();
        let mut made: Option<KeyId> = None;
        for _ in 0..ATTEMPTS {
            let stored = self.store.read(user).await?;
            let keyset = self.keyset(user, stored.as_ref(), asked).await?;
            // A response may be lost and the request repeated, here or in the SDK.
            let mut versions = keyset.versions().iter();
            if let Some(made) = versions.find(|version| Some(version.id()) == made) {
                return Ok(Some(made.number()));
            }
            if keyset.latest().is_none() {
                return Ok(None);
            }
            let rotated = Arc::new(self.rotated(user, &keyset)?);
            made = rotated.latest().map(|version| version.id());
            let written = self.write(user, &rotated, stored.as_ref()).await;
            self.changed(user).await;
            if written?.is_some() {
                return Ok(Some(rotated.highest()));
            }
        }
        Err(contended())
    }

    /// Destroys every key of the user, and returns how many versions of the record were removed; 0 if
    /// the keys were destroyed before, `None` if there is no record. Their values can
    /// then no longer be read or verified: in this process at once, in another when its cached
    /// record expires. A record without keys keeps the highest version number.
    ///
    /// A damaged record is removed too: the previous version, which holds the numbers, becomes
    /// current and is shredded in its place.
    ///
    /// # Errors
    /// See [`UserKeyError`]. After an error, the erasure may be incomplete; repeat it.
    /// [`UserKeyError::Damaged`] if no version is readable; then the last one stays as it is.
    pub async fn shred(&self, user: &UserId) -> Result<Option<usize>, UserKeyError> {
        let asked = (self.clock)();
        let mut removed = 0;
        for _ in 0..ATTEMPTS {
            let (version_id, opened) = match self.store.look(user).await? {
                Found::Nothing => return Ok(None),
                Found::Damaged { version_id } => (version_id, Err(UserKeyError::Damaged)),
                Found::Record(stored) => {
                    let keyset = self.opened.open(user, &stored, asked).await;
                    let version_id = stored.version_id.clone();
                    (version_id, keyset.map(|keyset| (stored, keyset)))
                }
            };
            let (stored, keyset) = match opened {
                Err(UserKeyError::Damaged) => {
                    let damaged = version_id.ok_or(UserKeyError::Damaged)?;
                    if !self.store.uncover(user, &damaged).await? {
                        return Err(UserKeyError::Damaged);
                    }
                    removed += 1;
                    self.changed(user).await;
                    continue;
                }
                opened => opened?,
            };
            let kept = if keyset.latest().is_none() {
                Some(stored)
            } else {
                let tombstone = Arc::new(UserKeyset::shredded(keyset.highest()));
                let written = self.write(user, &tombstone, Some(&stored)).await;
                self.changed(user).await;
                self.opened.forget(user).await;
                self.creations.forget(user).await;
                written?
            };
            if let Some(kept) = kept {
                removed += self.store.delete_older(user, &kept).await?;
                return Ok(Some(removed));
            }
        }
        Err(contended())
    }

    /// The record, from the cache or from S3; `Look::Again` requires a read since `asked`.
    pub(crate) async fn record(
        &self,
        user: &UserId,
        asked: Moment,
        look: Look,
    ) -> Result<Arc<FoundRecord>, UserKeyError> {
        let changed = self.changes.get(user).await;
        // The absence of a key may end at any moment, so every request reads it again.
        let accept = |found: &FoundRecord| {
            let lasting = look == Look::Once && is_live(found);
            (lasting || found.since.is_since(&asked))
                && changed.is_none_or(|changed| found.since.is_since(&changed))
        };
        let read = || self.store.read(user);
        let found = self.records.load(user, asked, accept, read).await?;
        if !is_live(&found) {
            self.records.remove(user, &found).await;
        }
        Ok(found)
    }

    /// The keyset of a record; an empty one without a record.
    pub(crate) async fn keyset(
        &self,
        user: &UserId,
        stored: Option<&Stored>,
        asked: Moment,
    ) -> Result<Arc<UserKeyset>, UserKeyError> {
        match stored {
            Some(stored) => self.opened.open(user, stored, asked).await,
            None => Ok(Arc::default()),
        }
    }

    /// Makes the user's first key, or the first after a tombstone. If another writer is faster, its
    /// record is used.
    async fn create(
        &self,
        user: &UserId,
        over: Option<&Stored>,
        keyset: &UserKeyset,
    ) -> Result<Opened, UserKeyError> {
        let since = (self.clock)();
        let made = Arc::new(self.rotated(user, keyset)?);
        if let Some(written) = self.write(user, &made, over).await? {
            let records = &self.records;
            records.insert(user.clone(), since, Some(written)).await;
            return Ok(Opened::new(made));
        }
        let stored = self.store.read(user).await?;
        let keyset = self.keyset(user, stored.as_ref(), since).await?;
        Ok(Opened::new(keyset))
    }

    /// The keyset with a new version.
    fn rotated(&self, user: &UserId, keyset: &UserKeyset) -> Result<UserKeyset, UserKeyError> {
        let now = (self.clock)().wall.duration_since(SystemTime::UNIX_EPOCH);
        let created_at = now.map_or(0, |since| since.as_secs());
        let UserKeyOptions { ciphers, salts, .. } = &self.options;
        Ok(keyset.rotated(user, ciphers, salts, created_at)?)
    }

    /// Writes the keyset's record over `over`, or where there is none. `None` if something else is
    /// stored there by now.
    async fn write(
        &self,
        user: &UserId,
        keyset: &Arc<UserKeyset>,
        over: Option<&Stored>,
    ) -> Result<Option<Stored>, UserKeyError> {
        let since = (self.clock)();
        let record = self.opened.seal(user, keyset).await?;
        let new = NewRecord::new(user, record);
        let hash = new.hash;
        // Before, for requests that read the record as soon as it is written; not over the record
        // that they read now.
        let opened = &self.opened;
        opened.expect(user, since, hash, Arc::clone(keyset)).await;
        let written = self.store.write(user, new, over).await?;
        if written.is_some() {
            opened.insert(user, since, hash, Arc::clone(keyset)).await;
        }
        Ok(written)
    }

    async fn changed(&self, user: &UserId) {
        self.changes.insert(user.clone(), (self.clock)()).await;
    }
}

impl std::fmt::Debug for UserKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserKeys")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// A time in seconds since 1970, in RFC 3339.
fn rfc_3339(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let time = DateTime::from_secs(seconds).fmt(DateTimeFormat::DateTime);
    time.unwrap_or_default()
}

fn contended() -> UserKeyError {
    tracing::warn!("a user's record keeps changing");
    UserKeyError::Unavailable
}
