//! The keys of one user, as one request sees them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use caas_crypto::UserKeyVersion;

use crate::{
    UserId, UserKeyError, UserKeys, aged_cache::Moment, found_record::FoundRecord,
    record::KeyVersion, user_keys::Look,
};

impl UserKeys {
    /// The user's existing keys, to verify and open their values. Makes no new key.
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
}

/// The keys that one user has, for the duration of one request.
pub struct HeldKeys<'a> {
    keys: &'a UserKeys,
    user: UserId,
    asked: Moment,
    found: Arc<FoundRecord>,
    unwrapped: HashMap<u32, Arc<UserKeyVersion>>,
    /// Versions that did not open: tried once per request, not once per value.
    refused: HashSet<u32>,
    /// Whether the record was damaged when it was read again.
    damaged: bool,
}

impl HeldKeys<'_> {
    /// The key with this version number, if the user has it.
    ///
    /// # Errors
    /// See [`UserKeyError`].
    pub async fn version(
        &mut self,
        number: u32,
    ) -> Result<Option<Arc<UserKeyVersion>>, UserKeyError> {
        if number > self.found.highest() {
            self.look_again().await?;
        }
        let found = Arc::clone(&self.found);
        match found.versions().iter().find(|v| v.number == number) {
            Some(version) => self.unwrap(version).await.map(Some),
            None => Ok(None),
        }
    }

    /// Whether `digest` is the digest of `data` under any of the user's keys. Returns false only
    /// after reading the record for this request and authenticating all of it.
    ///
    /// # Errors
    /// See [`UserKeyError`].
    pub async fn verify(&mut self, data: &[u8], digest: &str) -> Result<bool, UserKeyError> {
        Ok(self.matches(data, digest).await?
            || (self.look_again().await? && self.matches(data, digest).await?))
    }

    async fn matches(&mut self, data: &[u8], digest: &str) -> Result<bool, UserKeyError> {
        let found = Arc::clone(&self.found);
        let versions = found.versions();
        let digest_len = |version: &KeyVersion| 2 * version.configuration.cipher.digest_len();
        for version in versions.iter().rev() {
            if digest_len(version) == digest.len()
                && self.unwrap(version).await?.verify(data, digest)
            {
                return Ok(true);
            }
        }
        // A tampered cipher name must not make a valid digest fail.
        if self.unwrapped.len() < versions.len() {
            let all = self
                .keys
                .unwrapped
                .unwrap_all(&self.user, versions, self.asked);
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
        let key = self
            .keys
            .unwrapped
            .unwrap(&self.user, version, self.asked)
            .await;
        match &key {
            Ok(key) => drop(self.unwrapped.insert(version.number, Arc::clone(key))),
            Err(UserKeyError::Damaged) => drop(self.refused.insert(version.number)),
            Err(_) => {}
        }
        key
    }

    /// Reads the record, unless it was read since the request began, and returns whether it has
    /// changed: another process may have rotated or shredded the user's keys.
    async fn look_again(&mut self) -> Result<bool, UserKeyError> {
        if self.damaged {
            return Err(UserKeyError::Damaged);
        }
        if self.found.since.is_since(&self.asked) {
            return Ok(false);
        }
        let (known, etag) = (self.found.highest(), self.etag());
        let again = self.keys.record(&self.user, self.asked, Look::Again).await;
        self.damaged = matches!(again, Err(UserKeyError::Damaged));
        self.found = again?;
        if self.found.highest() < known {
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
