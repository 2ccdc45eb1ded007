//! Secret byte strings.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing, zeroize_stack};

/// Stack below the caller that [`on_wiped_stack`] overwrites, in bytes: more than the deepest
/// function that handles a key uses.
const WIPED_STACK: usize = 8 << 10;

/// Declares a secret of a fixed length in bytes: at one place on the heap, so that no move copies
/// it; wiped on drop, compared in constant time, redacted in `Debug` and not cloneable.
macro_rules! secret {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        pub struct $name(Box<Zeroizing<[u8; $len]>>);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// Generates a secret with the system's random number generator.
            ///
            /// # Errors
            /// The system's generator is not available.
            pub fn generate() -> Result<Self, RandomnessUnavailable> {
                let mut secret = Self::zeros();
                fill_random(&mut **secret.0)?;
                Ok(secret)
            }

            /// The bytes. The caller must wipe every copy.
            pub fn expose(&self) -> &[u8; $len] {
                &self.0
            }

            fn zeros() -> Self {
                Self(Box::new(Zeroizing::new([0; $len])))
            }
        }

        impl From<Box<Zeroizing<[u8; $len]>>> for $name {
            fn from(bytes: Box<Zeroizing<[u8; $len]>>) -> Self {
                Self(bytes)
            }
        }

        impl From<[u8; $len]> for $name {
            fn from(mut bytes: [u8; $len]) -> Self {
                let mut secret = Self::zeros();
                secret.0.copy_from_slice(&bytes);
                bytes.zeroize();
                secret
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = InvalidKey;

            fn try_from(bytes: &[u8]) -> Result<Self, InvalidKey> {
                let bytes: &[u8; $len] = bytes.try_into().map_err(|_| InvalidKey)?;
                let mut secret = Self::zeros();
                secret.0.copy_from_slice(bytes);
                Ok(secret)
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.expose().ct_eq(other.expose()).into()
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
        Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(self.expose()))
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

/// Runs `work`, which handles a key, and then wipes the stack that it used. What it returns must
/// have its keys on the heap.
pub(crate) fn on_wiped_stack<T>(work: impl FnOnce() -> T) -> T {
    let result = on_deeper_stack(work);
    zeroize_stack::<WIPED_STACK>();
    result
}

/// Never inlined, so that the stack of `work` is below the caller's.
#[inline(never)]
fn on_deeper_stack<T>(work: impl FnOnce() -> T) -> T {
    work()
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
