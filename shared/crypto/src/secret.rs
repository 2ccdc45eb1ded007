//! Secret byte strings.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Declares a secret of a fixed length in bytes: wiped on drop, compared in constant time, redacted
/// in `Debug` and not cloneable.
macro_rules! secret {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Zeroize, ZeroizeOnDrop)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// Generates a secret with the system's random number generator.
            ///
            /// # Errors
            /// The system's generator is not available.
            pub fn generate() -> Result<Self, RandomnessUnavailable> {
                let mut secret = Self([0; $len]);
                fill_random(&mut secret.0)?;
                Ok(secret)
            }

            /// The bytes. The caller must wipe every copy.
            pub fn expose(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl From<[u8; $len]> for $name {
            fn from(mut bytes: [u8; $len]) -> Self {
                let secret = Self(bytes);
                bytes.zeroize();
                secret
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = InvalidKey;

            fn try_from(bytes: &[u8]) -> Result<Self, InvalidKey> {
                bytes.try_into().map(Self).map_err(|_| InvalidKey)
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.ct_eq(&other.0).into()
            }
        }

        impl Eq for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

secret!(
    /// An AES-256 key that encrypts content.
    ContentKey,
    32
);

secret!(
    /// The data key of one stored object, as KMS generates and unwraps it. It encrypts nothing
    /// itself: commitment and content key are derived from it ([`stored`](crate::stored)).
    DataKey,
    32
);

secret!(
    /// The secret behind one version of one user's key. The keys of the user's values are derived
    /// from it ([`UserKeyVersion`](crate::UserKeyVersion)).
    UserKey,
    32
);

secret!(
    /// The key of one user's record, as KMS generates and unwraps it. It seals one body
    /// ([`UserKeyset`](crate::UserKeyset)).
    RecordKey,
    32
);

impl ContentKey {
    /// The key as base64url without padding (RFC 4648 §5), 43 characters.
    pub fn to_base64url(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// Reads base64url without padding.
impl FromStr for ContentKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let bytes = Zeroizing::new(
            BASE64_URL_SAFE_NO_PAD
                .decode(text)
                .map_err(|_| InvalidKey)?,
        );
        bytes.as_slice().try_into()
    }
}

/// Fills `bytes` from the system's random number generator.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), RandomnessUnavailable> {
    getrandom::fill(bytes).map_err(|_| RandomnessUnavailable)
}

/// The bytes or the text are not a key of this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key of the expected length and encoding")]
pub struct InvalidKey;

/// The system's random number generator is not available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system's random number generator is not available")]
pub struct RandomnessUnavailable;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_byte() {
        let key = ContentKey::from([0xAB; 32]);
        assert_eq!(format!("{key:?}"), "ContentKey { .. }");
        assert_eq!(format!("{key:#?}"), "ContentKey { .. }");
    }

    #[test]
    fn equality_is_over_every_byte() {
        let key = || ContentKey::from([0xAB; 32]);
        assert_eq!(key(), key());
        for position in 0..32 {
            let mut other = [0xAB; 32];
            other[position] ^= 1;
            assert_ne!(key(), ContentKey::from(other));
        }
    }

    #[test]
    fn text_round_trips_and_only_the_canonical_text_is_read() {
        let key = ContentKey::generate().unwrap();
        let text = key.to_base64url();
        assert_eq!(text.len(), 43);
        assert_eq!(text.parse::<ContentKey>(), Ok(key));

        let zeros = "A".repeat(43);
        assert_eq!(zeros.parse::<ContentKey>(), Ok(ContentKey::from([0; 32])));
        let wrong = [
            String::new(),
            "A".repeat(42),
            "A".repeat(44),
            format!("{zeros}="),
            format!("{}B", "A".repeat(42)), // trailing bits that a decoder could ignore
            format!("{}+", "A".repeat(42)),
            format!(" {}", "A".repeat(42)),
        ];
        for text in wrong {
            assert_eq!(text.parse::<ContentKey>(), Err(InvalidKey), "{text:?}");
        }
    }

    #[test]
    fn generated_keys_differ() {
        assert_ne!(
            ContentKey::generate().unwrap(),
            ContentKey::generate().unwrap()
        );
    }
}
