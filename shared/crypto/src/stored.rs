//! Stored objects: the format of the Amazon S3 Encryption Client, version 3. Older versions are
//! refused.
//!
//! AWS's own clients open what is sealed here, and vice versa. Each object has its own data key,
//! wrapped by KMS. The object's user metadata holds the [`Header`]; the body is one GCM message:
//!
//! ```text
//! PRK         = HKDF-Extract(salt = message id (28 random bytes), data key)         SHA-512
//! commitment  = HKDF-Expand(PRK, 0x0073 ‖ "COMMITKEY", 28)
//! content key = HKDF-Expand(PRK, 0x0073 ‖ "DERIVEKEY", 32)
//! body        = AES-256-GCM(content key, IV = 12 × 0x01, AAD = 0x0073, plaintext) ‖ tag (16)
//! ```
//!
//! The IV may be fixed because every object has a new content key. Hence a data key must seal one
//! object only, which the types here enforce. The commitment binds the body to one data key: GCM
//! alone allows a ciphertext that opens under two keys.
//!
//! Source: `awslabs/aws-encryption-sdk-specification`, folder `s3-encryption`, algorithm suite
//! `ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY` (0x0073).

mod content;
mod context;
mod header;

use subtle::ConstantTimeEq;

pub use content::{AAD, ForeignGrant, Grant, IV, OVERHEAD, OpeningKey, SealingKey};
pub use context::{EncryptionContext, InvalidContext};
pub use header::{Header, HeaderError, InvalidWrappedKey, WrappedKey};

pub use crate::gcm::{BodyOpener, MAX_PLAINTEXT_LEN, StreamSealer, TAG_LEN};
use crate::{
    ContentKey, DataKey, NotAuthentic, RandomnessUnavailable,
    derive::Prk,
    secret::{fill_random, on_wiped_stack},
};

/// The algorithm suite in derivations and additional data.
const SUITE: [u8; 2] = [0x00, 0x73];

/// Binds a body to its data key.
type Commitment = [u8; 28];

/// The random salt of an object's key derivation, stored in its header.
type MessageId = [u8; 28];

/// Begins a new object under a data key generated for it alone: `data_key` and `wrapped_key` are
/// the plaintext and the ciphertext of one KMS `GenerateDataKey` with `context`.
///
/// # Errors
/// No randomness is available.
pub fn begin(
    data_key: DataKey,
    wrapped_key: WrappedKey,
    context: EncryptionContext,
) -> Result<(Header, SealingKey), RandomnessUnavailable> {
    let mut message_id = [0; 28];
    fill_random(&mut message_id)?;
    Ok(begin_with(message_id, &data_key, wrapped_key, context))
}

fn begin_with(
    message_id: MessageId,
    data_key: &DataKey,
    wrapped_key: WrappedKey,
    context: EncryptionContext,
) -> (Header, SealingKey) {
    let (commitment, content_key) = on_wiped_stack(|| {
        let derivation = Derivation::new(data_key, &message_id);
        (derivation.commitment(), derivation.content_key())
    });
    let header = Header {
        wrapped_key,
        encryption_context: context,
        commitment,
        message_id,
    };
    (header, SealingKey(content_key))
}

impl Header {
    /// Checks that `data_key`, unwrapped by KMS from this header, is the one that the object was
    /// sealed with. Compares the commitment in constant time, and derives a content key only if it
    /// matches.
    ///
    /// # Errors
    /// The data key is another object's, or the header was changed.
    pub fn unlock(&self, data_key: &DataKey) -> Result<OpeningKey, NotAuthentic> {
        on_wiped_stack(|| {
            let derivation = Derivation::new(data_key, &self.message_id);
            if derivation.commitment().ct_eq(&self.commitment).into() {
                Ok(OpeningKey(derivation.content_key()))
            } else {
                Err(NotAuthentic)
            }
        })
    }
}

/// Derives commitment and content key.
struct Derivation(Prk);

impl Derivation {
    fn new(data_key: &DataKey, message_id: &MessageId) -> Self {
        Self(Prk::extract(Some(message_id), data_key.expose()))
    }

    fn commitment(&self) -> Commitment {
        *self.0.expand(&[&SUITE, b"COMMITKEY"])
    }

    fn content_key(&self) -> ContentKey {
        self.0.expand_key(&[&SUITE, b"DERIVEKEY"]).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    fn wrapped_key() -> WrappedKey {
        WrappedKey::try_from(vec![1; 184]).unwrap()
    }

    #[test]
    fn the_published_known_answer() {
        let data_key = bytes("09b579890de8618fa436ced66b655af4aa6ec760fabf3eb9e7cc7fd22e79851e");
        let data_key = DataKey::from(data_key);
        let message_id = bytes("9faa68cd791762eb7280bab11ca1d4011de7e3a255a628d9fbe54f0a");
        let commitment: Commitment =
            bytes("ebbeb009a83d2dad7ce3d8df0b7814d1dfe7e9e89703f768ab6ffe3f");
        let body: [u8; 29] = bytes("ac9f0d1185cbc1d2b7e77788b4abe58c0c421fa648faca6de694057e9a");

        let context = EncryptionContext::for_object("any");
        let (header, key) = begin_with(message_id, &data_key, wrapped_key(), context);
        assert_eq!(header.commitment, commitment);
        assert_eq!(key.seal(b"Hello, World!".to_vec()).unwrap(), body);
        let opened = header.unlock(&data_key).unwrap().open(body.into());
        assert_eq!(opened.unwrap(), b"Hello, World!");
    }

    #[test]
    fn another_data_key_or_a_changed_header_does_not_unlock() {
        let context = EncryptionContext::for_object("any");
        let data_key = DataKey::from([7; 32]);
        let (header, _) = begin_with([9; 28], &data_key, wrapped_key(), context);
        assert!(header.unlock(&data_key).is_ok());
        for bit in 0..256 {
            let mut other = [7; 32];
            other[bit / 8] ^= 1 << (bit % 8);
            let refused = header.unlock(&DataKey::from(other)).err();
            assert_eq!(refused, Some(NotAuthentic), "bit {bit} of the data key");
        }
        for bit in 0..28 * 8 {
            let mut changed = header.clone();
            changed.commitment[bit / 8] ^= 1 << (bit % 8);
            let refused = changed.unlock(&data_key).is_err();
            assert!(refused, "bit {bit} of the commitment");
            let mut changed = header.clone();
            changed.message_id[bit / 8] ^= 1 << (bit % 8);
            let refused = changed.unlock(&data_key).is_err();
            assert!(refused, "bit {bit} of the message id");
        }
    }

    #[test]
    fn one_data_key_twice_still_gives_two_content_keys() {
        let begin = || {
            let context = EncryptionContext::for_object("any");
            begin(DataKey::from([7; 32]), wrapped_key(), context).unwrap()
        };
        let ((first, first_key), (second, second_key)) = (begin(), begin());
        assert_ne!(first.message_id, second.message_id);
        assert_ne!(first.commitment, second.commitment);
        assert_ne!(first_key.into_grant().key(), second_key.into_grant().key());
    }
}
