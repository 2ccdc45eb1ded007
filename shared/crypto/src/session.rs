//! Session files: each is encrypted once, under its own key.
//!
//! ```text
//! nonce (12 random bytes) ‖ ciphertext ‖ tag (16)
//! ```
//!
//! AES-256-GCM without additional data, under a key generated for this file alone. Any AES-GCM
//! library can open it.

use crate::{
    ContentKey, MessageTooLong, NotAuthentic, RandomnessUnavailable,
    gcm::{self, NONCE_LEN, Nonce, TAG_LEN, Tag},
    secret::fill_random,
};

/// The overhead over the plaintext, in bytes.
pub const OVERHEAD: usize = NONCE_LEN + TAG_LEN;

/// Encrypts `plaintext` in place, under a new key.
///
/// # Errors
/// No randomness is available, or the plaintext is too long for one message.
pub fn seal(mut plaintext: Vec<u8>) -> Result<(ContentKey, Vec<u8>), SealError> {
    let key = ContentKey::generate()?;
    let mut nonce: Nonce = [0; NONCE_LEN];
    fill_random(&mut nonce)?;

    plaintext.reserve_exact(OVERHEAD);
    let tag = gcm::seal(&key, &nonce, b"", &mut plaintext)?;
    let mut sealed = plaintext;
    sealed.splice(..0, nonce);
    sealed.extend_from_slice(&tag);
    Ok((key, sealed))
}

/// Decrypts a session file in place.
///
/// # Errors
/// The key is another file's, or `sealed` is not what [`seal`] returned.
pub fn open(key: &ContentKey, mut sealed: Vec<u8>) -> Result<Vec<u8>, NotAuthentic> {
    let (nonce, rest) = sealed
        .split_first_chunk::<NONCE_LEN>()
        .ok_or(NotAuthentic)?;
    let (_, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or(NotAuthentic)?;
    let (nonce, tag): (Nonce, Tag) = (*nonce, *tag);

    sealed.truncate(sealed.len() - TAG_LEN);
    sealed.drain(..NONCE_LEN);
    gcm::open(key, &nonce, b"", &mut sealed, &tag)?;
    Ok(sealed)
}

/// Why a file could not be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The system's random number generator is not available.
    #[error(transparent)]
    Randomness(#[from] RandomnessUnavailable),
    /// The plaintext does not fit into one message.
    #[error(transparent)]
    TooLong(#[from] MessageTooLong),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Python: `AESGCM(bytes(range(32))).encrypt(bytes(range(12)), b"Hello, session!", None)`.
    const GOLDEN: &str =
        "000102030405060708090a0b0f67ba77aac9e268e832e4e2de8759b09b978b19c7492f5e74fce9293496af";

    #[test]
    fn opens_what_another_library_sealed() {
        let key = ContentKey::from(std::array::from_fn(|i| i as u8));
        let opened = open(&key, hex::decode(GOLDEN).unwrap()).unwrap();
        assert_eq!(opened, b"Hello, session!");
    }

    #[test]
    fn every_length_round_trips_with_a_fixed_overhead() {
        for len in [0, 1, 15, 16, 17, 4096, 100_000] {
            let plaintext = vec![0x42; len];
            let (key, sealed) = seal(plaintext.clone()).unwrap();
            assert_eq!(sealed.len(), len + OVERHEAD);
            assert_eq!(open(&key, sealed).unwrap(), plaintext);
        }
    }

    #[test]
    fn keys_and_nonces_are_new_every_time() {
        let (first_key, first) = seal(b"same".to_vec()).unwrap();
        let (second_key, second) = seal(b"same".to_vec()).unwrap();
        assert_ne!(first_key, second_key);
        assert_ne!(first[..NONCE_LEN], second[..NONCE_LEN]);
    }

    #[test]
    fn every_flip_truncation_and_extension_is_refused() {
        let (key, sealed) = seal(b"some forty bytes of text to be protected".to_vec()).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&key, changed), Err(NotAuthentic), "bit {bit}");
        }
        for len in 0..sealed.len() {
            assert_eq!(
                open(&key, sealed[..len].to_vec()),
                Err(NotAuthentic),
                "cut to {len}"
            );
        }
        let longer = [sealed.as_slice(), &[0]].concat();
        assert_eq!(open(&key, longer), Err(NotAuthentic));
        assert_eq!(open(&ContentKey::from([0; 32]), sealed), Err(NotAuthentic));
    }
}
