//! Reversible values: a user's datum, encrypted so that it can be decrypted again.
//!
//! ```text
//! "caas:v2:" + base64url without padding (RFC 4648 §5) of
//! user UUID (16) ‖ version (u32, big endian) ‖ key id (8) ‖ nonce (24) ‖ ciphertext ‖ tag (16)
//! ```
//!
//! XAES-256-GCM (C2SP) with a random nonce, under the `values` key of that version. The additional
//! data are `"caas:v2"`, client, user UUID (16), version (4), key id (8) and the caller's context,
//! each prefixed with its length (u32, big endian), so a value opens for no other client, user or
//! context. User, version and key id can be read before a key is chosen.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::{KeyId, xaes};

/// The domain separator of every derivation from a user's key and of every reversible value.
pub(crate) const DOMAIN: &[u8] = b"caas:v2";

/// The longest context of a value, in bytes.
pub const MAX_CONTEXT_LEN: usize = 1024;

/// User, version and key id.
const HEAD_LEN: usize = 16 + 4 + KeyId::LEN;

/// An encrypted datum of one user. It is not secret, and unverified until it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    pub(crate) user: Uuid,
    pub(crate) version: u32,
    pub(crate) key_id: KeyId,
    /// Nonce, ciphertext and tag.
    pub(crate) sealed: Vec<u8>,
}

impl Value {
    /// The prefix of every value, and of no digest.
    pub const PREFIX: &str = "caas:v2:";

    /// The user that it claims.
    pub fn user(&self) -> Uuid {
        self.user
    }

    /// The version of the user's key that it claims.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The id of the key version that it claims.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The length in characters of the value of a datum of `len` bytes.
    pub fn text_len(len: usize) -> usize {
        let bytes = HEAD_LEN + len.saturating_add(xaes::OVERHEAD);
        Self::PREFIX.len() + bytes.saturating_mul(4).div_ceil(3)
    }
}

/// Accepts only the canonical text: nothing before or after it, no padding, no trailing bits.
impl FromStr for Value {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let encoded = text.strip_prefix(Self::PREFIX).ok_or(InvalidValue)?;
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(encoded);
        let bytes = bytes.map_err(|_| InvalidValue)?;
        let (user, rest) = bytes.split_first_chunk().ok_or(InvalidValue)?;
        let (version, rest) = rest.split_first_chunk().ok_or(InvalidValue)?;
        let (key_id, sealed) = rest.split_first_chunk().ok_or(InvalidValue)?;
        if sealed.len() < xaes::OVERHEAD {
            return Err(InvalidValue);
        }
        Ok(Self {
            user: Uuid::from_bytes(*user),
            version: u32::from_be_bytes(*version),
            key_id: KeyId::from(*key_id),
            sealed: sealed.to_vec(),
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [
            self.user.as_bytes(),
            &self.version.to_be_bytes()[..],
            self.key_id.as_bytes(),
            &self.sealed,
        ];
        let encoded = BASE64_URL_SAFE_NO_PAD.encode(bytes.concat());
        write!(f, "{}{encoded}", Self::PREFIX)
    }
}

/// The text is not a [`Value`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a reversible value")]
pub struct InvalidValue;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Cipher, RecordedVersion, UserId, UserKey, UserKeyVersion};

    fn key() -> UserKeyVersion {
        let user = UserId {
            client: "acme".parse().unwrap(),
            user: Uuid::from_u128(1),
        };
        let recorded = RecordedVersion {
            number: 0x0102_0304,
            id: KeyId::from([3; 8]),
            secret: UserKey::from([5; 32]),
            cipher: Cipher::Md5,
            salt_length: "8".parse().unwrap(),
            created_at: 0,
        };
        UserKeyVersion::new(user, recorded)
    }

    #[test]
    fn every_length_round_trips_through_text() {
        let key = key();
        for len in [0, 1, 2, 15, 16, 17, 100, 10_000] {
            let plaintext = vec![b'x'; len];
            let value = key.seal(&plaintext, b"context").unwrap();
            let text = value.to_string();
            assert!(
                text.starts_with("caas:v2:AAAAAAAAAAAAAAAAAAAAAQECAwQDAwMDAwMDA"),
                "{text}"
            );
            assert_eq!(text.len(), Value::text_len(len));
            let read: Value = text.parse().unwrap();
            assert_eq!(read, value);
            assert_eq!(
                (read.user(), read.version()),
                (Uuid::from_u128(1), 0x0102_0304)
            );
            assert_eq!(*key.open(&read, b"context").unwrap(), plaintext);
        }
    }

    #[test]
    fn every_change_of_one_byte_is_refused() {
        let key = key();
        let open = |text: &str| key.open(&text.parse().ok()?, b"").ok();
        let text = key.seal(b"ada@example.org", b"").unwrap().to_string();
        assert_eq!(*open(&text).unwrap(), b"ada@example.org");
        for position in 0..text.len() {
            for byte in 0..=0x7F {
                let mut changed = text.clone().into_bytes();
                if std::mem::replace(&mut changed[position], byte) == byte {
                    continue;
                }
                let changed = String::from_utf8(changed).unwrap();
                assert_eq!(open(&changed), None, "{byte} at {position}");
            }
        }
        for len in 0..text.len() {
            assert_eq!(open(&text[..len]), None, "cut to {len}");
            assert_eq!(open(&text[len + 1..]), None, "from {len}");
        }
        for more in ["A", "AA", "AAAA", "=", "==", " ", "\n"] {
            assert_eq!(open(&format!("{text}{more}")), None, "{more:?} after it");
            assert_eq!(open(&format!("{more}{text}")), None, "{more:?} before it");
        }
    }

    proptest! {
        #[test]
        fn whatever_parses_has_one_text(text in "(caas:v2:)?([A-Za-z0-9_-]{88,110}|\\PC{0,60})") {
            if let Ok(value) = text.parse::<Value>() {
                prop_assert_eq!(value.to_string(), text);
            }
        }
    }
}
