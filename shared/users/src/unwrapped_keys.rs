//! Wrapped keys, unwrapped by KMS and kept in memory.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use caas_aws::KmsKey;
use caas_crypto::{UserKey, UserKeyId, UserKeyVersion};
use futures::future::try_join_all;

use crate::{
    UserId, UserKeyError,
    aged_cache::{Aged, AgedCache, Clock, Evicted, Moment},
    record::KeyVersion,
};

/// The most keys in memory.
const CAPACITY: u64 = 10_000;

/// How many keys are unwrapped concurrently for one request.
const CONCURRENT_UNWRAPS: usize = 8;

/// The KMS key that wraps users' keys, and the keys unwrapped most recently.
pub(crate) struct UnwrappedKeys {
    kms: KmsKey,
    cache: AgedCache<UserKeyId, Unwrapped>,
}

impl UnwrappedKeys {
    pub(crate) fn new(kms: KmsKey, max_age: Duration, clock: Clock) -> Self {
        Self {
            kms,
            cache: AgedCache::new(CAPACITY, max_age, clock),
        }
    }

    /// A new key and its wrapped form. One GenerateDataKey.
    pub(crate) async fn generate(
        &self,
        id: &UserKeyId,
    ) -> Result<(UserKey, Vec<u8>), UserKeyError> {
        let context = id.encryption_context();
        let pairs = context.iter().map(|(name, value)| (*name, value.as_str()));
        let (plaintext, wrapped) = self.kms.generate(pairs).await?;
        let key = UserKey::try_from(plaintext.as_slice()).map_err(|_| UserKeyError::Unavailable)?;
        Ok((key, wrapped))
    }

    /// The key of one version, from memory or from KMS. Its entry in the record has been verified.
    pub(crate) async fn unwrap(
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
        let found = self.cache.load(&id, asked, accept, read).await?;
        found.value.key().ok_or(UserKeyError::Unavailable)
    }

    /// The keys of all these versions, in their order.
    pub(crate) async fn unwrap_all(
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

    /// Caches the key of a version that was made at `since`.
    pub(crate) async fn insert(
        &self,
        id: UserKeyId,
        since: Moment,
        version: KeyVersion,
        key: UserKeyVersion,
    ) {
        self.cache
            .insert(id, since, Unwrapped::new(version, key))
            .await;
    }

    pub(crate) async fn forget(&self, id: &UserKeyId) {
        self.cache.forget(id).await;
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
}

/// A key and the record entry it was unwrapped from.
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

/// Wipes the key, at once or when the last request that uses it is done.
impl Evicted for Unwrapped {
    fn evicted(&self) {
        self.key
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}
