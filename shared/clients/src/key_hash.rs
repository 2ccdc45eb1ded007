//! What is stored instead of an API key.

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The SHA-256 of an API key's text, written as 64 hex digits in lower case. It stands for the key
/// in settings and in the registry.
///
/// A key has 256 bits of entropy, so a plain hash is as good as a slow one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of this key.
    pub fn of(key: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// The S3 key of the registry's record for this API key: `clients/{hash}.json`.
    pub fn record_key(&self) -> String {
        format!("clients/{self}.json")
    }

    /// The hash in an S3 key that [`KeyHash::record_key`] returned.
    pub fn from_record_key(key: &str) -> Option<Self> {
        let hash = key.strip_prefix("clients/")?.strip_suffix(".json")?;
        let hash: Self = hash.parse().ok()?;
        (hash.record_key() == key).then_some(hash)
    }
}

impl ConstantTimeEq for KeyHash {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for KeyHash {
    type Err = InvalidKeyHash;

    fn from_str(text: &str) -> Result<Self, InvalidKeyHash> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidKeyHash)?;
        Ok(Self(bytes))
    }
}

/// The text is not a [`KeyHash`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an API key's SHA-256 in 64 hex digits")]
pub struct InvalidKeyHash;
