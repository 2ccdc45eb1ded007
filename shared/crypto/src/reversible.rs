//! Reversible values: a user's datum, encrypted so that it can be decrypted again.
//!
//! ```text
//! "caas:v1:" + base64url without padding of
//! version (u32, big endian) ‖ nonce (12 random bytes) ‖ ciphertext ‖ tag (16)
//! ```
//!
//! AES-256-GCM under the AES key of that version. The additional data are `"caas:v1"`, client, user
//! UUID (16 bytes) and version (4), each prefixed with its length, so a value opens for no other
//! client or user. The version can be read before a key is chosen.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{
    ContentKey, MessageTooLong, NotAuthentic, RandomnessUnavailable, UserKeyId,
    framing::prefixed,
    gcm::{self, NONCE_LEN, Nonce, TAG_LEN, Tag},
    secret::fill_random,
    user_key_id::DOMAIN,
};

const VERSION_LEN: usize = 4;

/// An encrypted datum of one user. It is not secret, and unverified until it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    version: u32,
    nonce: Nonce,
    /// Ciphertext and tag.
    sealed: Vec<u8>,
}

impl Value {
    /// The prefix of every value, and of no digest.
    pub const PREFIX: &str = "caas:v1:";

    /// The version of the user's key that it claims.
    pub fn version(&self) -> u32 {
        self.version
    }

    pub(crate) fn seal(
        key: &ContentKey,
        id: &UserKeyId,
        plaintext: &[u8],
    ) -> Result<Self, SealError> {
        let mut nonce: Nonce = [0; NONCE_LEN];
        fill_random(&mut nonce)?;
        let mut sealed = Vec::with_capacity(plaintext.len() + TAG_LEN);
        sealed.extend_from_slice(plaintext);
        let tag = gcm::seal(key, &nonce, &aad(id), &mut sealed)?;
        sealed.extend_from_slice(&tag);
        Ok(Self {
            version: id.version,
            nonce,
            sealed,
        })
    }

    pub(crate) fn open(self, key: &ContentKey, id: &UserKeyId) -> Result<Vec<u8>, NotAuthentic> {
        if self.version != id.version {
            return Err(NotAuthentic);
        }
        let mut text = self.sealed;
        let (_, tag) = text.split_last_chunk::<TAG_LEN>().ok_or(NotAuthentic)?;
        let tag: Tag = *tag;
        text.truncate(text.len() - TAG_LEN);
        gcm::open(key, &self.nonce, &aad(id), &mut text, &tag)?;
        Ok(text)
    }
}

/// Accepts only the canonical text: nothing before or after it, no padding, no trailing bits.
impl FromStr for Value {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let text = text.strip_prefix(Self::PREFIX).ok_or(InvalidValue)?;
        let bytes = BASE64_URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| InvalidValue)?;
        let (version, rest) = bytes
            .split_first_chunk::<VERSION_LEN>()
            .ok_or(InvalidValue)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(InvalidValue)?;
        if sealed.len() < TAG_LEN {
            return Err(InvalidValue);
        }
        Ok(Self {
            version: u32::from_be_bytes(*version),
            nonce: *nonce,
            sealed: sealed.to_vec(),
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version.to_be_bytes();
        let bytes = [version.as_slice(), &self.nonce, &self.sealed].concat();
        write!(
            f,
            "{}{}",
            Self::PREFIX,
            BASE64_URL_SAFE_NO_PAD.encode(bytes)
        )
    }
}

fn aad(id: &UserKeyId) -> Vec<u8> {
    let version = id.version.to_be_bytes();
    prefixed(&[
        DOMAIN,
        id.client.as_str().as_bytes(),
        id.user.as_bytes(),
        &version,
    ])
}

/// The text is not a [`Value`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a reversible value")]
pub struct InvalidValue;

/// Why a datum could not be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The system's random number generator is not available.
    #[error(transparent)]
    Randomness(#[from] RandomnessUnavailable),
    /// The datum does not fit into one message.
    #[error(transparent)]
    TooLong(#[from] MessageTooLong),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn key() -> ContentKey {
        ContentKey::from([5; 32])
    }

    fn id(client: &str, user: u128, version: u32) -> UserKeyId {
        UserKeyId {
            client: client.parse().unwrap(),
            user: Uuid::from_u128(user),
            version,
        }
    }

    fn open(text: &str, id: &UserKeyId) -> Option<Vec<u8>> {
        text.parse::<Value>().ok()?.open(&key(), id).ok()
    }

    #[test]
    fn every_length_round_trips_through_text() {
        let id = id("acme", 1, 0x0102_0304);
        for len in [0, 1, 15, 16, 17, 100, 10_000] {
            let plaintext = vec![b'x'; len];
            let value = Value::seal(&key(), &id, &plaintext).unwrap();
            let text = value.to_string();
            assert!(text.starts_with("caas:v1:AQIDB"), "{text}");
            let read: Value = text.parse().unwrap();
            assert_eq!(read, value);
            assert_eq!(read.version(), 0x0102_0304);
            assert_eq!(read.open(&key(), &id), Ok(plaintext));
        }
    }

    #[test]
    fn every_change_of_one_byte_is_refused() {
        let id = id("acme", 1, 1);
        let text = Value::seal(&key(), &id, b"ada@example.org")
            .unwrap()
            .to_string();
        assert_eq!(open(&text, &id).unwrap(), b"ada@example.org");
        for position in 0..text.len() {
            for byte in 0..=0x7F {
                let mut changed = text.clone().into_bytes();
                if std::mem::replace(&mut changed[position], byte) == byte {
                    continue;
                }
                let changed = String::from_utf8(changed).unwrap();
                assert_eq!(open(&changed, &id), None, "{byte} at {position}");
            }
        }
        for len in 0..text.len() {
            assert_eq!(open(&text[..len], &id), None, "cut to {len}");
            assert_eq!(open(&text[len + 1..], &id), None, "from {len}");
        }
        for more in ["A", "AA", "AAAA", "=", "==", " ", "\n"] {
            assert_eq!(
                open(&format!("{text}{more}"), &id),
                None,
                "{more:?} after it"
            );
            assert_eq!(
                open(&format!("{more}{text}"), &id),
                None,
                "{more:?} before it"
            );
        }
    }

    #[test]
    fn a_value_opens_for_its_client_user_and_version_only() {
        let sealed = || Value::seal(&key(), &id("acme", 1, 1), b"datum").unwrap();
        assert_eq!(
            sealed().open(&key(), &id("acme", 1, 1)),
            Ok(b"datum".to_vec())
        );
        for other in [
            id("acm", 1, 1),
            id("acme-", 1, 1),
            id("acme", 2, 1),
            id("acme", 1, 2),
        ] {
            assert_eq!(
                sealed().open(&key(), &other),
                Err(NotAuthentic),
                "{other:?}"
            );
        }
        let relabelled = Value {
            version: 2,
            ..sealed()
        };
        assert_eq!(
            relabelled.open(&key(), &id("acme", 1, 2)),
            Err(NotAuthentic)
        );
        let other_key = ContentKey::from([6; 32]);
        assert_eq!(
            sealed().open(&other_key, &id("acme", 1, 1)),
            Err(NotAuthentic)
        );
    }

    #[test]
    fn no_nonce_repeats_in_a_million_seals() {
        let (key, id) = (key(), id("acme", 1, 1));
        let mut nonces: Vec<Nonce> = (0..1 << 20)
            .map(|_| Value::seal(&key, &id, b"datum").unwrap().nonce)
            .collect();
        nonces.sort_unstable();
        assert!(nonces.windows(2).all(|pair| pair[0] != pair[1]));
    }

    proptest! {
        #[test]
        fn whatever_parses_has_one_text(text in "(caas:v1:)?([A-Za-z0-9_-]{43,60}|\\PC{0,60})") {
            if let Ok(value) = text.parse::<Value>() {
                prop_assert_eq!(value.to_string(), text);
            }
        }
    }
}
