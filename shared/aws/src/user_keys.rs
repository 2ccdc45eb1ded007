//! Users' keys: made, found, rotated and shredded.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use caas_crypto::{CipherPool, SaltPool, UserKey, UserKeyId, UserKeyVersion};
use futures::future::try_join_all;
use moka::{future::Cache, policy::EvictionPolicy};

use crate::{
    KmsError, KmsKey,
    user_key_cache::{Aged, AgedCache, Clock, Evicted, Moment},
    user_record::{KeyVersion, MAX_VERSIONS, UserId, UserRecord},
    user_record_store::{Found, Stored, UserRecordStore},
};

/// Key versions in memory at most, and as many in records.
const CAPACITY: u64 = 10_000;

/// How often a change is tried. Every failure means that another writer succeeded.
const ATTEMPTS: usize = 100;

/// Keys unwrapped at the same time for one request.
const CONCURRENT_UNWRAPS: usize = 8;

/// What users' keys are made from and how long they are remembered.
#[derive(Clone, Debug)]
pub struct UserKeyOptions {
    /// The bucket of the records.
    pub bucket: String,
    /// What a new key selects its cipher from.
    pub ciphers: CipherPool,
    /// What a new key selects the length of its salt from.
    pub salts: SaltPool,
    /// How long a key may be used without looking at its record again. Zero: never.
    pub cache_for: Duration,
}

/// The keys of all users: records in S3, wrapped by KMS, and in memory what was used last.
///
/// Requests made, S3 and KMS: none for what is in memory; one and one for a user who is not; two
/// and one for a new user; three and two when another process made the same user's key first.
///
/// What leaves the memory is wiped. Keys in memory are dropped at the next use of any key after
/// their time is over; none is used after it.
pub struct UserKeys {
    store: UserRecordStore,
    kms: KmsKey,
    options: UserKeyOptions,
    clock: Clock,
    records: AgedCache<UserId, Option<Stored>>,
    /// The records that this process made, so that concurrent first requests make one.
    creations: AgedCache<UserId, Option<Stored>>,
    keys: AgedCache<UserKeyId, Unwrapped>,
    /// When this process last changed a user's record: earlier reads of it count no more.
    changes: Cache<UserId, Moment>,
}

/// Whether what is in memory will do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Once,
    Again,
}

/// One version of a user's keys, as it is told to clients.
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

    /// The same, with another idea of time.
    pub fn with_clock(
        s3: aws_sdk_s3::Client,
        kms: KmsKey,
        options: UserKeyOptions,
        clock: Clock,
    ) -> Self {
        let max_age = options.cache_for;
        Self {
            store: UserRecordStore::new(s3, options.bucket.clone()),
            kms,
            records: AgedCache::new(CAPACITY, max_age, Arc::clone(&clock)),
            creations: AgedCache::new(CAPACITY, max_age, Arc::clone(&clock)),
            keys: AgedCache::new(CAPACITY, max_age, Arc::clone(&clock)),
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
            if let Some(latest) = versions(&found).last() {
                return self.unwrap(user, latest, asked).await;
            }
            let create = || self.create(user, &found);
            // One that was made while this request read is as good, one shredded since is not.
            let accept = |made: &Aged<_>| highest(made) > highest(&found);
            let created = self.creations.load(user, asked, accept, create).await?;
            if let Some(latest) = versions(&created).last() {
                return self.unwrap(user, latest, asked).await;
            }
        }
        Err(contended())
    }

    /// The keys that the user has, to verify and open what they made. Makes none.
    ///
    /// # Errors
    /// See [`UserKeyError`].
    pub async fn held(&self, user: UserId) -> Result<HeldKeys<'_>, UserKeyError> {
        let asked = (self.clock)();
        Ok(HeldKeys {
            found: self.record(&user, asked, Look::Once).await?,
            unwrapped: HashMap::new(),
            refused: HashSet::new(),
            damaged: false,
            keys: self,
            user,
            asked,
        })
    }

    /// The versions that the user has, oldest first, read from the record and checked; nothing if
    /// there is no record or a tombstone.
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
        self.unwrap_all(user, versions, asked).await?;
        let infos = versions.iter().map(|version| KeyVersionInfo {
            version: version.number,
            created_at: version.created_at(),
        });
        Ok((!versions.is_empty()).then(|| infos.collect()))
    }

    /// Gives the user a new key for new values, and its number; nothing if the user has no key.
    /// This process uses it at once, another when its memory of the record is too old.
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
            // An answer may be lost and the request repeated, here or in the SDK.
            if let Some(made) = made.filter(|made| versions.contains(made)) {
                return Ok(Some(made.number));
            }
            let Some(latest) = versions.last() else {
                return Ok(None);
            };
            // No new key over a record that is not what it should be.
            self.unwrap(user, latest, asked).await?;
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

    /// Destroys every key of the user, and says whether there was a record. What they made is
    /// unreadable and unverifiable from then on: in this process at once, in another as soon as its
    /// memory of the record is too old. A record without keys keeps the highest version number.
    ///
    /// What is damaged goes too: the version before it, which knows the numbers, becomes current and
    /// is shredded in its place.
    ///
    /// # Errors
    /// See [`UserKeyError`]. After an error, do it again: some of it may be done.
    /// [`UserKeyError::Damaged`] where no version can be read; then the last one stays as it is.
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
                    self.keys.forget(&user.version(version.number)).await;
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

    /// The record, from memory or, as is always the case for `Look::Again`, from S3.
    async fn record(
        &self,
        user: &UserId,
        asked: Moment,
        look: Look,
    ) -> Result<Arc<Aged<Option<Stored>>>, UserKeyError> {
        let changed = self.changes.get(user).await;
        // That there is no key may change at any moment, and is looked at for every request.
        let accept = |found: &Aged<Option<Stored>>| {
            let lasting = look == Look::Once && !versions(found).is_empty();
            (lasting || found.since.is_since(&asked))
                && changed.is_none_or(|changed| found.since.is_since(&changed))
        };
        let read = || self.store.read(user);
        let found = self.records.load(user, asked, accept, read).await?;
        if versions(&found).is_empty() {
            self.records.remove(user, &found).await;
        }
        Ok(found)
    }

    /// Makes the user's first key, or the first after a tombstone. If somebody else is faster,
    /// theirs counts.
    async fn create(
        &self,
        user: &UserId,
        found: &Aged<Option<Stored>>,
    ) -> Result<Option<Stored>, UserKeyError> {
        let since = (self.clock)();
        let (version, key) = self.make(user, highest(found)).await?;
        let record = UserRecord::Live(vec![version.clone()]);
        let written = self.store.write(user, record, found.value.as_ref()).await?;
        let Some(written) = written else {
            return self.store.read(user).await;
        };
        let unwrapped = Unwrapped::new(version, key);
        let id = user.version(unwrapped.version.number);
        self.keys.insert(id, since, unwrapped).await;
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
        let context = id.encryption_context();
        let pairs = context.iter().map(|(name, value)| (*name, value.as_str()));
        let (plaintext, wrapped) = self.kms.generate(pairs).await?;
        let key = UserKey::try_from(plaintext.as_slice()).map_err(|_| UserKeyError::Unavailable)?;
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

    /// The key of one version, from memory or from KMS, after the record's word on it was checked.
    async fn unwrap(
        &self,
        user: &UserId,
        version: &KeyVersion,
        asked: Moment,
    ) -> Result<Arc<UserKeyVersion>, UserKeyError> {
        let id = user.version(version.number);
        let accept = |found: &Aged<Unwrapped>| {
            found.value.version == *version && found.value.key().is_some()
        };
        let read = || self.unwrap_by_kms(&id, version);
        let found = self.keys.load(&id, asked, accept, read).await?;
        found.value.key().ok_or(UserKeyError::Unavailable)
    }

    async fn unwrap_by_kms(
        &self,
        id: &UserKeyId,
        version: &KeyVersion,
    ) -> Result<Unwrapped, UserKeyError> {
        let context = id.encryption_context();
        let pairs = context.iter().map(|(name, value)| (*name, value.as_str()));
        let plaintext = self.kms.unwrap(&version.wrapped, pairs).await?;
        let key = UserKey::try_from(plaintext.as_slice()).map_err(|_| UserKeyError::Unavailable)?;
        let unlocked = key.unlock(id.clone(), &version.configuration, &version.mac);
        let unlocked = unlocked.map_err(|_| {
            tracing::error!("a version in a user's record is not authentic");
            UserKeyError::Damaged
        })?;
        Ok(Unwrapped::new(version.clone(), unlocked))
    }

    async fn unwrap_all(
        &self,
        user: &UserId,
        versions: &[KeyVersion],
        asked: Moment,
    ) -> Result<Vec<Arc<UserKeyVersion>>, UserKeyError> {
        let mut keys = Vec::with_capacity(versions.len());
        for some in versions.chunks(CONCURRENT_UNWRAPS) {
            let some = some.iter().map(|version| self.unwrap(user, version, asked));
            keys.extend(try_join_all(some).await?);
        }
        Ok(keys)
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

/// The keys that one user has, for the time of one request.
pub struct HeldKeys<'a> {
    keys: &'a UserKeys,
    user: UserId,
    asked: Moment,
    found: Arc<Aged<Option<Stored>>>,
    unwrapped: HashMap<u32, Arc<UserKeyVersion>>,
    /// Versions that did not open: asked for once in a request, not once a value.
    refused: HashSet<u32>,
    /// Whether the record, read again, was damaged.
    damaged: bool,
}

impl HeldKeys<'_> {
    /// The key of this number, if the user has it.
    ///
    /// # Errors
    /// See [`UserKeyError`].
    pub async fn version(
        &mut self,
        number: u32,
    ) -> Result<Option<Arc<UserKeyVersion>>, UserKeyError> {
        if number > highest(&self.found) {
            self.look_again().await?;
        }
        let found = Arc::clone(&self.found);
        match versions(&found).iter().find(|v| v.number == number) {
            Some(version) => self.unwrap(version).await.map(Some),
            None => Ok(None),
        }
    }

    /// Whether `digest` is the digest of `data` under any of the user's keys. The answer no comes
    /// only after the record was read for this request and all of it was found authentic.
    ///
    /// # Errors
    /// See [`UserKeyError`].
    pub async fn verify(&mut self, data: &[u8], digest: &str) -> Result<bool, UserKeyError> {
        Ok(self.matches(data, digest).await?
            || (self.look_again().await? && self.matches(data, digest).await?))
    }

    async fn matches(&mut self, data: &[u8], digest: &str) -> Result<bool, UserKeyError> {
        let found = Arc::clone(&self.found);
        let versions = versions(&found);
        let digest_len = |version: &KeyVersion| 2 * version.configuration.cipher.digest_len();
        for version in versions.iter().rev() {
            if digest_len(version) == digest.len()
                && self.unwrap(version).await?.verify(data, digest)
            {
                return Ok(true);
            }
        }
        // An edited cipher must not turn a digest away.
        if self.unwrapped.len() < versions.len() {
            let all = self.keys.unwrap_all(&self.user, versions, self.asked);
            let numbers = versions.iter().map(|version| version.number);
            self.unwrapped = numbers.zip(all.await?).collect();
        }
        Ok(false)
    }

    async fn unwrap(&mut self, version: &KeyVersion) -> Result<Arc<UserKeyVersion>, UserKeyError> {
        if let Some(key) = self.unwrapped.get(&version.number) {
            return Ok(Arc::clone(key));
        }
        if self.refused.contains(&version.number) {
            return Err(UserKeyError::Damaged);
        }
        let key = self.keys.unwrap(&self.user, version, self.asked).await;
        match &key {
            Ok(key) => drop(self.unwrapped.insert(version.number, Arc::clone(key))),
            Err(UserKeyError::Damaged) => drop(self.refused.insert(version.number)),
            Err(_) => {}
        }
        key
    }

    /// Reads the record, unless that was done since the request began, and says whether it has
    /// changed: another process may have rotated or shredded the user's keys.
    async fn look_again(&mut self) -> Result<bool, UserKeyError> {
        if self.damaged {
            return Err(UserKeyError::Damaged);
        }
        if self.found.since.is_since(&self.asked) {
            return Ok(false);
        }
        let (known, etag) = (highest(&self.found), self.etag());
        let again = self.keys.record(&self.user, self.asked, Look::Again).await;
        self.damaged = matches!(again, Err(UserKeyError::Damaged));
        self.found = again?;
        if highest(&self.found) < known {
            tracing::error!("a user's record is older than it was");
            self.damaged = true;
            return Err(UserKeyError::Damaged);
        }
        let changed = self.etag() != etag;
        if changed {
            self.unwrapped.clear();
        }
        Ok(changed)
    }

    fn etag(&self) -> Option<String> {
        self.found.value.as_ref().map(|stored| stored.etag.clone())
    }
}

impl std::fmt::Debug for HeldKeys<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeldKeys").finish_non_exhaustive()
    }
}

fn versions(found: &Aged<Option<Stored>>) -> &[KeyVersion] {
    let stored = found.value.as_ref();
    stored.map_or(&[], |stored| stored.record.versions())
}

fn highest(found: &Aged<Option<Stored>>) -> u32 {
    let stored = found.value.as_ref();
    stored.map_or(0, |stored| stored.record.highest())
}

fn contended() -> UserKeyError {
    tracing::warn!("a user's record changed too often to be changed");
    UserKeyError::Unavailable
}

/// A record holds no secret.
impl Evicted for Option<Stored> {
    fn evicted(&self) {}

    fn weight(&self) -> u32 {
        let versions = self
            .as_ref()
            .map_or(0, |stored| stored.record.versions().len());
        u32::try_from(versions).unwrap_or(u32::MAX).max(1)
    }
}

/// A key and the entry that it was unwrapped from.
struct Unwrapped {
    version: KeyVersion,
    key: RwLock<Option<Arc<UserKeyVersion>>>,
}

impl Unwrapped {
    fn new(version: KeyVersion, key: UserKeyVersion) -> Self {
        Self {
            version,
            key: RwLock::new(Some(Arc::new(key))),
        }
    }

    fn key(&self) -> Option<Arc<UserKeyVersion>> {
        self.key
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The key is wiped, unless a request is using it: then when that is done.
impl Evicted for Unwrapped {
    fn evicted(&self) {
        self.key
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserKeyError {
    /// The record is not what this service wrote for this user: changed, cut, another's, or removed
    /// by somebody else. It stays as it is, for somebody to look at.
    #[error("the user's record does not open")]
    Damaged,
    /// S3 or KMS is down, throttled, or will not serve. Trying again later may help.
    #[error("S3 or KMS is not available")]
    Unavailable,
    /// The record is full.
    #[error("the user has {MAX_VERSIONS} key versions, the most there can be")]
    TooManyVersions,
}

impl From<KmsError> for UserKeyError {
    fn from(error: KmsError) -> Self {
        match error {
            KmsError::NotAuthentic => {
                tracing::error!("a key in a user's record does not open");
                Self::Damaged
            }
            KmsError::Unavailable => Self::Unavailable,
        }
    }
}
