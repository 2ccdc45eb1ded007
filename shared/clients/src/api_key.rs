//! The text of an API key.

use caas_crypto::{ContentKey, RandomnessUnavailable};
use zeroize::Zeroizing;

/// The prefix of every key, by which people and secret scanners recognise one.
const PREFIX: &str = "caas_";

/// The length of every key in characters: the prefix, 256 random bits in base64url, the checksum.
const KEY_LEN: usize = PREFIX.len() + 43 + CHECKSUM_LEN;

/// The length of the checksum in characters.
const CHECKSUM_LEN: usize = 6;

/// A new API key, 54 characters: `caas_`, 256 random bits in base64url without padding, and a
/// checksum of both, the CRC-32 (ISO 3309) as six base62 digits (`0-9A-Za-z`). The checksum lets
/// the service refuse a mistyped key, and secret scanners recognise a key, without a lookup.
///
/// # Errors
/// The system's random number generator is not available.
pub fn generate_api_key() -> Result<Zeroizing<String>, RandomnessUnavailable> {
    let random = ContentKey::generate()?;
    let mut key = Zeroizing::new(String::with_capacity(KEY_LEN));
    key.push_str(PREFIX);
    key.push_str(&random.to_base64url());
    let checksum = checksum(key.as_bytes());
    key.extend(checksum.map(char::from));
    Ok(key)
}

fn checksum(text: &[u8]) -> [u8; CHECKSUM_LEN] {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = crc32fast::hash(text) as usize;
    let mut digits = [0; CHECKSUM_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[rest % 62];
        rest /= 62;
    }
    digits
}

/// Whether the text has the form of an API key: prefix, length, characters and checksum.
pub fn is_api_key(key: &[u8]) -> bool {
    let Some((text, last)) = key.split_last_chunk() else {
        return false;
    };
    let is_base64url = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    key.len() == KEY_LEN
        && text.starts_with(PREFIX.as_bytes())
        && text.iter().all(is_base64url)
        && checksum(text) == *last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyHash;

    #[test]
    fn the_published_keys_are_well_formed_and_no_mistyped_one_is() {
        let vectors = include_str!("../../../docs/formats/vectors.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        let vectors = vectors["api_keys"].as_array().unwrap();
        assert_eq!(vectors.len(), 4);
        for vector in vectors {
            let key = vector["api_key"].as_str().unwrap();
            assert_eq!(vector["sha256"], KeyHash::of(key).to_string());
            assert!(is_api_key(key.as_bytes()), "{key}");
            for position in 0..key.len() {
                let mut mistyped = key.as_bytes().to_vec();
                mistyped[position] ^= 1;
                assert!(!is_api_key(&mistyped), "{position}");
                mistyped.remove(position);
                assert!(!is_api_key(&mistyped), "{position}");
            }
        }
        for text in ["", "x", "caas_", &"x".repeat(54)] {
            assert!(!is_api_key(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_new_key_is_well_formed() {
        let key = generate_api_key().unwrap();
        assert!(is_api_key(key.as_bytes()));
        assert_ne!(key, generate_api_key().unwrap());
    }
}
