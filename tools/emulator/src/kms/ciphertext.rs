//! The ciphertext of `Encrypt` and `GenerateDataKey`: opaque to clients, bound to key and context.
//!
//! ```text
//! 1 byte    version, 1
//! 16 bytes  key id (UUID)
//! 12 bytes  nonce, random
//! n bytes   AES-256-GCM ciphertext
//! 16 bytes  tag
//! ```
//!
//! The additional data are the first 29 bytes and the canonical encryption context: its pairs sorted by
//! name, each name and value after its length in four big-endian bytes. Nonces are random, so one key
//! allows 2^32 ciphertexts (NIST SP 800-38D, section 8.3).

use std::{collections::BTreeMap, io};

use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::error::KmsError;

/// The pairs that a ciphertext is bound to, sorted by name.
pub(super) type EncryptionContext = BTreeMap<String, String>;

const VERSION: u8 = 1;
const HEADER: usize = 1 + 16 + 12;

/// Encrypts under a key, bound to the context.
pub(super) fn seal(
    key_id: Uuid,
    key: &[u8; 32],
    context: &EncryptionContext,
    plaintext: &[u8],
) -> Result<Vec<u8>, KmsError> {
    let mut nonce = [0; 12];
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;
    let mut blob = vec![VERSION];
    blob.extend_from_slice(key_id.as_bytes());
    blob.extend_from_slice(&nonce);
    let aad = additional_data(&blob, context);
    let payload = Payload {
        msg: plaintext,
        aad: &aad,
    };
    let sealed = Aes256Gcm::new(key.into()).encrypt(&Nonce::from(nonce), payload);
    blob.extend(sealed.map_err(|_| io::Error::other("AES-GCM refused to encrypt"))?);
    Ok(blob)
}

/// The key that a ciphertext names; None if it is not ours.
pub(super) fn key_id(blob: &[u8]) -> Option<Uuid> {
    let (&version, rest) = blob.split_first()?;
    let (id, _) = rest.split_first_chunk::<16>()?;
    (version == VERSION && blob.len() >= HEADER).then(|| Uuid::from_bytes(*id))
}

/// Decrypts. A different key, context or ciphertext gives the same error.
pub(super) fn open(
    key: &[u8; 32],
    context: &EncryptionContext,
    blob: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KmsError> {
    let (header, sealed) = blob
        .split_at_checked(HEADER)
        .ok_or(KmsError::InvalidCiphertext)?;
    let nonce = header
        .last_chunk::<12>()
        .ok_or(KmsError::InvalidCiphertext)?;
    let aad = additional_data(header, context);
    let payload = Payload {
        msg: sealed,
        aad: &aad,
    };
    let opened = Aes256Gcm::new(key.into()).decrypt(&Nonce::from(*nonce), payload);
    opened
        .map(Zeroizing::new)
        .map_err(|_| KmsError::InvalidCiphertext)
}

fn additional_data(header: &[u8], context: &EncryptionContext) -> Vec<u8> {
    let mut data = header.to_vec();
    for text in context.iter().flat_map(|(name, value)| [name, value]) {
        // The limit on requests keeps contexts far below 4 GiB.
        data.extend_from_slice(&(text.len() as u32).to_be_bytes());
        data.extend_from_slice(text.as_bytes());
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn only_the_same_context_opens() {
        let (id, key) = (Uuid::from_bytes([7; 16]), [9; 32]);
        let given = context(&[("a", "bc"), ("d", "")]);
        let blob = seal(id, &key, &given, b"secret").unwrap();
        assert_eq!(key_id(&blob), Some(id));
        assert_eq!(*open(&key, &given, &blob).unwrap(), b"secret");
        let others: [&[(&str, &str)]; 5] = [
            &[],
            &[("a", "bc")],
            &[("ab", "c"), ("d", "")],
            &[("a", "b"), ("d", "c")],
            &[("a", "bc"), ("d", ""), ("e", "")],
        ];
        for other in others {
            assert!(open(&key, &context(other), &blob).is_err(), "{other:?}");
        }
    }

    #[test]
    fn any_change_is_refused() {
        let key = [9; 32];
        let blob = seal(Uuid::nil(), &key, &context(&[]), b"secret").unwrap();
        for index in 0..blob.len() {
            let mut changed = blob.clone();
            changed[index] ^= 1;
            assert!(open(&key, &context(&[]), &changed).is_err(), "byte {index}");
        }
        for length in 0..blob.len() {
            assert!(
                open(&key, &context(&[]), &blob[..length]).is_err(),
                "length {length}"
            );
        }
    }
}
