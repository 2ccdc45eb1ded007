//! Users' keys: making, finding, rotating and shredding them.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use caas_aws::{KmsKey, VersionedBucket};
use caas_crypto::{CipherPool, SaltPool, UserKeyVersion};
use moka::{future::Cache, policy::EvictionPolicy};

use crate::{
    UserId, UserKeyError,
    aged_cache::{AgedCache, Clock, Moment},
    found_record::FoundRecord,
    record::{KeyVersion, MAX_VERSIONS, UserRecord},
    record_store::{Found, RecordStore, Stored},
    unwrapped_keys::UnwrappedKeys,
};

/// The most key versions in cached records.
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
    creations: AgedCache<UserId, Option<Stored>>,
    pub(crate) unwrapped: UnwrappedKeys,
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
            unwrapped: UnwrappedKeys::new(kms, max_age, Arc::clone(&clock)),
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
            if let Some(latest) = found.versions().last() {
                return self.unwrapped.unwrap(user, latest, asked).await;
            }
            let create = || self.create(user, &found);
            // A key made while this request was reading is usable; one shredded since is not.
            let accept = |made: &FoundRecord| made.highest() > found.highest();
            let created = self.creations.load(user, asked, accept, create).await?;
            if let Some(latest) = created.versions().last() {
                return self.unwrapped.unwrap(user, latest, asked).await;
            }
        }
        Err(contended())
    }

    /// The versions that the user has, oldest first, read from the record and verified; `None` if
    /// there is no record, or only a tombstone.
    ///
    /// # Errors
    /// See [`UserKeyError`].
    pub async fn versions(
        &self,
        user: &UserId,
    ) -> Result<Option<Vec<KeyVersionInfo>>, UserKeyError> {
        let asked = (self.clock)();
        let Some(stored) = self.store.read(user).await? else {
            return Ok(None);
        };
        let versions = stored.record.versions();
        self.unwrapped.unwrap_all(user, versions, asked).await?;
        let infos = versions.iter().map(|version| KeyVersionInfo {
            version: version.number,
            created_at: version.created_at(),
        });
        Ok((!versions.is_empty()).then(|| infos.collect()))
    }

    /// Gives the user a new key for new values, and returns its number; `None` if the user has no
    /// key. This process uses it at once, another process when its cached record expires.
    ///
    /// # Errors
    /// See [`UserKeyError`].
    pub async fn rotate(&self, user: &UserId) -> Result<Option<u32>, UserKeyError> {
        let asked = (self.clock)();
        let mut made: Option<KeyVersion> = None;
        for _ in 0..ATTEMPTS {
            let Some(stored) = self.store.read(user).await? else {
                return Ok(None);
            };
            let versions = stored.record.versions();
            // A response may be lost and the request repeated, here or in the SDK.
            if let Some(made) = made.filter(|made| versions.contains(made)) {
                return Ok(Some(made.number));
            }
            let Some(latest) = versions.last() else {
                return Ok(None);
            };
            // A damaged record gets no new key.
            self.unwrapped.unwrap(user, latest, asked).await?;
            if versions.len() >= MAX_VERSIONS {
                return Err(UserKeyError::TooManyVersions);
            }
            let (version, _) = self.make(user, latest.number).await?;
            let number = version.number;
            let record = UserRecord::Live([versions, std::slice::from_ref(&version)].concat());
            let written = self.store.write(user, record, Some(&stored)).await;
            self.changed(user).await;
            if written?.is_some() {
                return Ok(Some(number));
            }
            made = Some(version);
        }
        Err(contended())
    }

    /// Destroys every key of the user, and returns whether there was a record. Their values can
    /// then no longer be read or verified: in this process at once, in another when its cached
    /// record expires. A record without keys keeps the highest version number.
    ///
    /// A damaged record is removed too: the previous version, which holds the numbers, becomes
    /// current and is shredded in its place.
    ///
    /// # Errors
    /// See [`UserKeyError`]. After an error, the erasure may be incomplete; repeat it.
    /// [`UserKeyError::Damaged`] if no version is readable; then the last one stays as it is.
    pub async fn shred(&self, user: &UserId) -> Result<bool, UserKeyError> {
        for _ in 0..ATTEMPTS {
            let stored = match self.store.look(user).await? {
                Found::Nothing => return Ok(false),
                Found::Record(stored) => stored,
                Found::Damaged { version_id } => {
                    let damaged = version_id.ok_or(UserKeyError::Damaged)?;
                    if !self.store.uncover(user, &damaged).await? {
                        return Err(UserKeyError::Damaged);
                    }
                    self.changed(user).await;
                    continue;
                }
            };
            let tombstone = UserRecord::Shredded {
                highest: stored.record.highest(),
            };
            let kept = if stored.record == tombstone {
                Some(stored)
            } else {
                let written = self.store.write(user, tombstone, Some(&stored)).await;
                self.changed(user).await;
                for version in stored.record.versions() {
                    self.unwrapped.forget(&user.version(version.number)).await;
                }
                written?
            };
            if let Some(kept) = kept {
                self.store.delete_older(user, &kept).await?;
                return Ok(true);
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
            let lasting = look == Look::Once && !found.versions().is_empty();
            (lasting || found.since.is_since(&asked))
                && changed.is_none_or(|changed| found.since.is_since(&changed))
        };
        let read = || self.store.read(user);
        let found = self.records.load(user, asked, accept, read).await?;
        if found.versions().is_empty() {
            self.records.remove(user, &found).await;
        }
        Ok(found)
    }

    /// Makes the user's first key, or the first after a tombstone. If another writer is faster, its
    /// key is used.
    async fn create(
        &self,
        user: &UserId,
        found: &FoundRecord,
    ) -> Result<Option<Stored>, UserKeyError> {
        let since = (self.clock)();
        let (version, key) = self.make(user, found.highest()).await?;
        let record = UserRecord::Live(vec![version.clone()]);
        let written = self.store.write(user, record, found.value.as_ref()).await?;
        let Some(written) = written else {
            return self.store.read(user).await;
        };
        let id = user.version(version.number);
        self.unwrapped.insert(id, since, version, key).await;
        let stored = Some(written);
        self.records
            .insert(user.clone(), since, stored.clone())
            .await;
        Ok(stored)
    }

    /// A new key version after `highest`.
    async fn make(
        &self,
        user: &UserId,
        highest: u32,
    ) -> Result<(KeyVersion, UserKeyVersion), UserKeyError> {
        let number = highest
            .checked_add(1)
            .ok_or(UserKeyError::TooManyVersions)?;
        let id = user.version(number);
        let (key, wrapped) = self.unwrapped.generate(&id).await?;
        let now = (self.clock)().wall.duration_since(SystemTime::UNIX_EPOCH);
        let created_at = now.map_or(0, |since| since.as_secs());
        let UserKeyOptions { ciphers, salts, .. } = &self.options;
        let (configuration, mac) = key.configure(&id, ciphers, salts, created_at);
        let unlocked = key.unlock(id, &configuration, &mac);
        let unlocked = unlocked.map_err(|_| UserKeyError::Damaged)?;
        let version = KeyVersion {
            number,
            configuration,
            mac,
            wrapped,
        };
        Ok((version, unlocked))
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

fn contended() -> UserKeyError {
    tracing::warn!("a user's record keeps changing");
    UserKeyError::Unavailable
}
