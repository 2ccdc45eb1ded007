//! The configuration of one key version in a user's record, and the MAC that authenticates it.

use std::{fmt, str::FromStr};

use crate::{Cipher, SaltLength, framing::prefixed};

/// The configuration of one version of a user's key, as the user's record stores it. It never
/// changes: a changed pool does not affect existing values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// The cipher selected.
    pub cipher: Cipher,
    /// The length of salt selected.
    pub salt_length: SaltLength,
    /// When the version was made, in seconds since 1970-01-01T00:00:00Z.
    pub created_at: u64,
}

impl Configuration {
    /// The MAC's input: cipher name, salt length (u32) and time (u64), each prefixed with its
    /// length. Client, user and version go into the derivation of the MAC's key.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        prefixed(&[
            self.cipher.name().as_bytes(),
            &u32::from(self.salt_length.chars()).to_be_bytes(),
            &self.created_at.to_be_bytes(),
        ])
    }
}

/// The MAC over a [`Configuration`], under a key derived from the user's key: HMAC-SHA512 (RFC
/// 2104), 64 bytes, 128 lower-case hex digits as text. It is not secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordMac(pub(crate) [u8; RecordMac::LEN]);

impl RecordMac {
    /// Length in bytes.
    pub const LEN: usize = 64;
}

impl fmt::Display for RecordMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Reads lower-case hex.
impl FromStr for RecordMac {
    type Err = InvalidRecordMac;

    fn from_str(text: &str) -> Result<Self, InvalidRecordMac> {
        let mut mac = [0; Self::LEN];
        hex::decode_to_slice(text, &mut mac).map_err(|_| InvalidRecordMac)?;
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(InvalidRecordMac);
        }
        Ok(Self(mac))
    }
}

/// The text is not a [`RecordMac`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the MAC of a record must be 128 lower-case hex digits")]
pub struct InvalidRecordMac;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_only_the_canonical_text_is_read() {
        let mac = RecordMac(std::array::from_fn(|i| 0xA0 ^ i as u8));
        let text = mac.to_string();
        assert_eq!(text.len(), 128);
        assert_eq!(text.parse(), Ok(mac));
        let wrong = [
            String::new(),
            text.to_uppercase(),
            text[1..].to_owned(),
            text[2..].to_owned(),
            format!("{text}00"),
            format!("g{}", &text[1..]),
            format!(" {}", &text[1..]),
        ];
        for wrong in wrong {
            assert_eq!(
                wrong.parse::<RecordMac>(),
                Err(InvalidRecordMac),
                "{wrong:?}"
            );
        }
    }
}
