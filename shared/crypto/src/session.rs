//! Session files: each is encrypted once, under its own key.
//!
//! ```text
//! nonce (12 random bytes) ‖ ciphertext ‖ tag (16)
//! ```
//!
//! AES-256-GCM without additional data, under a key generated for this file alone. Any AES-GCM
//! library can open it.

pub use crate::gcm::{BodyOpener, MAX_PLAINTEXT_LEN, NONCE_LEN, StreamSealer};
use crate::{
    ContentKey, MessageTooLong, NotAuthentic, RandomnessUnavailable,
    gcm::{self, Nonce, TAG_LEN, Tag},
    secret::fill_random,
};

/// The overhead over the plaintext, in bytes.
pub const OVERHEAD: usize = NONCE_LEN + TAG_LEN;

/// Encrypts `plaintext` in place, under a new key.
///
/// # Errors
/// No randomness is available, or the plaintext is too long for one message.
pub fn seal(mut plaintext: Vec<u8>) -> Result<(ContentKey, Vec<u8>), SealError> {
    let (key, nonce) = new_key()?;

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

/// Begins a file of any length, under a new key. The file is the nonce, the chunks after
/// [`StreamSealer::update`], and the tag.
///
/// # Errors
/// No randomness is available.
pub fn begin() -> Result<(ContentKey, [u8; NONCE_LEN], StreamSealer), RandomnessUnavailable> {
    let (key, nonce) = new_key()?;
    let sealer = StreamSealer::new(&key, &nonce, b"");
    Ok((key, nonce, sealer))
}

/// Decrypts a session file of any length: its first bytes are `nonce`, and what follows goes
/// through the opener.
pub fn opener(key: &ContentKey, nonce: &[u8; NONCE_LEN]) -> BodyOpener {
    BodyOpener::new(key, nonce, b"")
}

fn new_key() -> Result<(ContentKey, Nonce), RandomnessUnavailable> {
    let key = ContentKey::generate()?;
    let mut nonce = [0; NONCE_LEN];
    fill_random(&mut nonce)?;
    Ok((key, nonce))
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
    use proptest::prelude::*;

    use super::*;

    fn open_in_chunks(
        key: &ContentKey,
        sealed: &[u8],
        chunk_len: usize,
    ) -> Result<Vec<u8>, NotAuthentic> {
        let (nonce, body) = sealed.split_first_chunk().ok_or(NotAuthentic)?;
        let mut opener = opener(key, nonce);
        let mut plaintext = Vec::new();
        for chunk in body.chunks(chunk_len) {
            opener.update(chunk, &mut plaintext)?;
        }
        opener.finish().map(|()| plaintext)
    }

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
    fn streams_are_the_known_answers() {
        let file = hex::decode(GOLDEN).unwrap();
        let key = ContentKey::from(std::array::from_fn(|i| i as u8));
        let (nonce, body) = file.split_first_chunk().unwrap();
        for chunk_len in 1..=body.len() {
            let mut text = b"Hello, session!".to_vec();
            let mut sealer = StreamSealer::new(&key, nonce, b"");
            for chunk in text.chunks_mut(chunk_len) {
                sealer.update(chunk).unwrap();
            }
            text.extend(sealer.finish());
            assert_eq!(text, body);
            let opened = open_in_chunks(&key, &file, chunk_len);
            assert_eq!(opened.as_deref(), Ok(&b"Hello, session!"[..]));
        }
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
        let (first, second) = (begin().unwrap(), begin().unwrap());
        assert_ne!(first.0, second.0);
        assert_ne!(first.1, second.1);
    }

    #[test]
    fn every_flip_truncation_and_extension_is_refused() {
        let (key, sealed) = seal(b"some forty bytes of text to be protected".to_vec()).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            refused(&key, changed, &format!("bit {bit}"));
        }
        for len in 0..sealed.len() {
            refused(&key, sealed[..len].to_vec(), &format!("cut to {len}"));
        }
        let longer = [sealed.as_slice(), &[0]].concat();
        refused(&key, longer, "one byte more");
        refused(&ContentKey::from([0; 32]), sealed, "another key");
    }

    #[track_caller]
    fn refused(key: &ContentKey, sealed: Vec<u8>, what: &str) {
        for chunk_len in [7, sealed.len().max(1)] {
            let opened = open_in_chunks(key, &sealed, chunk_len);
            assert_eq!(opened, Err(NotAuthentic), "{what}");
        }
        assert_eq!(open(key, sealed), Err(NotAuthentic), "{what}");
    }

    proptest! {
        #[test]
        fn every_chunking_is_the_one_shot(
            plaintext in proptest::collection::vec(any::<u8>(), 0..3000),
            cuts in proptest::collection::vec(0..3100usize, 0..40),
        ) {
            let chunks = |len: usize| {
                let mut cuts: Vec<_> = cuts.iter().map(|cut| *cut.min(&len)).collect();
                cuts.extend([0, len]);
                cuts.sort_unstable();
                cuts
            };
            let (key, nonce, mut sealer) = begin().unwrap();
            let mut sealed = plaintext.clone();
            for cut in chunks(sealed.len()).windows(2) {
                sealer.update(&mut sealed[cut[0]..cut[1]]).unwrap();
            }
            let tag = sealer.finish();
            let file = [&nonce[..], &sealed, &tag].concat();
            prop_assert_eq!(open(&key, file.clone()), Ok(plaintext.clone()));

            let (nonce, body) = file.split_first_chunk().unwrap();
            let (mut opener, mut opened) = (opener(&key, nonce), Vec::new());
            for cut in chunks(body.len()).windows(2) {
                opener.update(&body[cut[0]..cut[1]], &mut opened).unwrap();
                prop_assert_eq!(opened.len(), cut[1].saturating_sub(TAG_LEN));
            }
            prop_assert_eq!(opener.finish(), Ok(()));
            prop_assert_eq!(opened, plaintext);
        }
    }
}
