//! The keys of one user, as one request sees them.

use std::sync::Arc;

use caas_aws::Moment;
use caas_crypto::{UserId, UserKeyVersion, UserKeyset, reversible::Value};

use crate::{UserKeyError, UserKeys, found_record::FoundRecord, user_keys::Look};

impl UserKeys {
    /// The user's existing keys, to verify and open their values. Makes no new key.
    ///
    /// # Errors
    /// See [`UserKeyError`].
    pub async fn held(&self, user: UserId) -> Result<HeldKeys<'_>, UserKeyError> {
        let asked = (self.clock)();
        let found = self.record(&user, asked, Look::Once).await?;
        Ok(HeldKeys {
            keyset: self.keyset(&user, found.value.as_ref(), asked).await?,
            found,
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
    keyset: Arc<UserKeyset>,
    /// Whether the record was damaged when it was read again.
    damaged: bool,
}

impl HeldKeys<'_> {
    /// The key of this value, if the user has it.
    ///
    /// # Errors
    /// See [`UserKeyError`].
    pub async fn key_of(
        &mut self,
        value: &Value,
    ) -> Result<Option<Arc<UserKeyVersion>>, UserKeyError> {
        if value.user() != self.user.user {
            return Ok(None);
        }
        let mut key = numbered(&self.keyset, value.version());
        let is_other = |key: &Arc<UserKeyVersion>| key.id() != value.key_id();
        if value.version() > self.keyset.highest() || key.as_ref().is_some_and(is_other) {
            self.look_again().await?;
            key = numbered(&self.keyset, value.version());
        }
        if key.as_ref().is_some_and(is_other) {
            tracing::warn!("a value names another key by a version number of its user");
            return Ok(None);
        }
        Ok(key)
    }

    /// Whether `digest` is the digest of `data` under any of the user's keys. Returns false only
    /// after reading the record for this request.
    ///
    /// # Errors
    /// See [`UserKeyError`].
    pub async fn verify(&mut self, data: &[u8], digest: &str) -> Result<bool, UserKeyError> {
        Ok(self.matches(data, digest) || (self.look_again().await? && self.matches(data, digest)))
    }

    fn matches(&self, data: &[u8], digest: &str) -> bool {
        let mut newest_first = self.keyset.versions().iter().rev();
        newest_first.any(|version| {
            2 * version.cipher().digest_len() == digest.len() && version.verify(data, digest)
        })
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
        let again = self.read_again().await;
        self.damaged = matches!(again, Err(UserKeyError::Damaged));
        let (found, keyset) = again?;
        let hash = |found: &FoundRecord| found.value.as_ref().map(|stored| stored.hash);
        let changed = hash(&found) != hash(&self.found);
        (self.found, self.keyset) = (found, keyset);
        Ok(changed)
    }

    async fn read_again(&self) -> Result<(Arc<FoundRecord>, Arc<UserKeyset>), UserKeyError> {
        let (keys, user) = (self.keys, &self.user);
        let found = keys.record(user, self.asked, Look::Again).await?;
        let keyset = keys.keyset(user, found.value.as_ref(), self.asked).await?;
        let renumbered = |known: &Arc<UserKeyVersion>| {
            numbered(&keyset, known.number()).is_some_and(|key| key.id() != known.id())
        };
        if keyset.highest() < self.keyset.highest() || self.keyset.versions().iter().any(renumbered)
        {
            tracing::error!("a user's record is older than it was");
            return Err(UserKeyError::Damaged);
        }
        Ok((found, keyset))
    }
}

fn numbered(keyset: &UserKeyset, number: u32) -> Option<Arc<UserKeyVersion>> {
    let mut versions = keyset.versions().iter();
    versions.find(|version| version.number() == number).cloned()
}

impl std::fmt::Debug for HeldKeys<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeldKeys").finish_non_exhaustive()
    }
}
