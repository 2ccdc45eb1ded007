//! Users' keys: what is derived from the secret of one key version, and what it is for.
//!
//! Everything is derived from the 32-byte user key by HKDF-SHA512 (RFC 5869) without salt:
//!
//! ```text
//! info = "caas:v1" ‖ purpose ‖ client ‖ user UUID (16 bytes) ‖ version (u32, big endian)
//! ```
//!
//! with a u32 big-endian length before every part except the last. The purposes:
//!
//! | purpose | output |
//! |---|---|
//! | `cipher`, `salt-length` | one choice out of the pool |
//! | `salt` | as many choices out of `0-9A-Za-z` as the salt is long |
//! | `mac` | 64 bytes: the key of the digest; BLAKE2s and BLAKE3 use the first 32 |
//! | `aes` | 32 bytes: the key of reversible values |
//! | `record` | 64 bytes: the key of the MAC over the configuration |
//!
//! Choices are made by rejection sampling over the output as a stream of u32, big endian. (HKDF's
//! shorter outputs are prefixes of its longer ones, so the stream needs no length.) To choose one
//! of n values, word ÷ ⌊2^32 ÷ n⌋ is the position in the pool; a word for which this is not below n
//! is skipped.

use hmac::{
    Hmac, Mac,
    digest::{FixedOutput, KeyInit},
};
use sha2::Sha512;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    CipherPool, Configuration, ContentKey, NotAuthentic, RecordMac, SaltLength, SaltPool, UserKey,
    UserKeyId,
    derive::Prk,
    digest::KeyedDigest,
    framing::prefixed,
    reversible::{self, SealError},
    sample::Choices,
    user_key_id::DOMAIN,
};

/// The characters of a salt.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl UserKey {
    /// Creates the configuration of a new key: the cipher and the salt length that this key selects
    /// from the pools, and their MAC.
    pub fn configure(
        &self,
        id: &UserKeyId,
        ciphers: &CipherPool,
        salts: &SaltPool,
        created_at: u64,
    ) -> (Configuration, RecordMac) {
        let keys = Derivation::new(self, id);
        let configuration = Configuration {
            cipher: keys.choices("cipher").pick(ciphers.values()),
            salt_length: keys.choices("salt-length").pick(salts.values()),
            created_at,
        };
        let mac = keys.record_mac(&configuration);
        (configuration, mac)
    }

    /// Verifies the configuration's MAC in constant time, and derives the keys of the user's
    /// values.
    ///
    /// # Errors
    /// The configuration was changed, or belongs to another key, client, user or version.
    pub fn unlock(
        &self,
        id: UserKeyId,
        configuration: &Configuration,
        mac: &RecordMac,
    ) -> Result<UserKeyVersion, NotAuthentic> {
        let keys = Derivation::new(self, &id);
        if !bool::from(keys.record_mac(configuration).0.ct_eq(&mac.0)) {
            return Err(NotAuthentic);
        }
        let salt = keys.salt(configuration.salt_length);
        Ok(UserKeyVersion {
            digest: KeyedDigest::new(configuration.cipher, &keys.expand("mac"), &salt),
            aes: ContentKey::from(*keys.expand("aes")),
            id,
        })
    }
}

/// One version of a user's key, with everything derived. It is as secret as the key itself and is
/// wiped on drop.
pub struct UserKeyVersion {
    id: UserKeyId,
    digest: KeyedDigest,
    aes: ContentKey,
}

impl UserKeyVersion {
    /// Which key this is.
    pub fn id(&self) -> &UserKeyId {
        &self.id
    }

    /// The digest of `data` in lower-case hex, always the same for this key version. It cannot be
    /// reversed, nor recomputed without the key.
    pub fn digest(&self, data: &[u8]) -> String {
        self.digest.digest(data)
    }

    /// Whether `digest` is the [`digest`](Self::digest) of `data`, in constant time.
    pub fn verify(&self, data: &[u8], digest: &str) -> bool {
        self.digest.verify(data, digest)
    }

    /// Encrypts `data` for [`open`](Self::open). Nonces are random: rotate the key before 2^32
    /// values (NIST SP 800-38D §8.3).
    ///
    /// # Errors
    /// No randomness is available, or the data is too long for one message.
    pub fn seal(&self, data: &[u8]) -> Result<reversible::Value, SealError> {
        reversible::Value::seal(&self.aes, &self.id, data)
    }

    /// Decrypts a value.
    ///
    /// # Errors
    /// The value was changed, or belongs to another key, client, user or version.
    pub fn open(&self, value: reversible::Value) -> Result<Vec<u8>, NotAuthentic> {
        value.open(&self.aes, &self.id)
    }
}

impl std::fmt::Debug for UserKeyVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserKeyVersion")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A user key extracted for one [`UserKeyId`].
struct Derivation<'a> {
    prk: Prk,
    id: &'a UserKeyId,
}

impl<'a> Derivation<'a> {
    fn new(key: &UserKey, id: &'a UserKeyId) -> Self {
        Self {
            prk: Prk::extract(None, key.expose()),
            id,
        }
    }

    fn expand<const N: usize>(&self, purpose: &str) -> Zeroizing<[u8; N]> {
        let UserKeyId {
            client,
            user,
            version,
        } = self.id;
        let parts = [
            DOMAIN,
            purpose.as_bytes(),
            client.as_str().as_bytes(),
            user.as_bytes(),
        ];
        self.prk
            .expand(&[&prefixed(&parts), &version.to_be_bytes()])
    }

    fn choices(&self, purpose: &str) -> Choices {
        Choices::from(self.expand(purpose))
    }

    fn salt(&self, length: SaltLength) -> Zeroizing<Vec<u8>> {
        let mut choices = self.choices("salt");
        let chars = 0..length.chars();
        Zeroizing::new(chars.map(|_| choices.pick(ALPHABET)).collect())
    }

    fn record_mac(&self, configuration: &Configuration) -> RecordMac {
        let key = self.expand::<64>("record");
        let mac = <Hmac<Sha512> as KeyInit>::new_from_slice(key.as_slice())
            .expect("HMAC takes a key of any length");
        RecordMac(
            mac.chain_update(configuration.to_bytes())
                .finalize_fixed()
                .into(),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use sha2::{Digest, Sha256};

    use uuid::Uuid;

    use super::*;
    use crate::Cipher;

    const NOW: u64 = 1_760_000_000;

    fn id(client: &str, user: u128, version: u32) -> UserKeyId {
        UserKeyId {
            client: client.parse().unwrap(),
            user: Uuid::from_u128(user),
            version,
        }
    }

    fn unlock(key: &UserKey, id: UserKeyId, ciphers: &CipherPool) -> UserKeyVersion {
        let (configuration, mac) = key.configure(&id, ciphers, &SaltPool::default(), NOW);
        key.unlock(id, &configuration, &mac).unwrap()
    }

    #[test]
    fn selection_is_uniform_over_keys_and_users() {
        const PAIRS: u32 = 20_000;
        let (ciphers, salts) = (CipherPool::default(), SaltPool::default());
        let mut seen_ciphers = HashMap::new();
        let mut seen_lengths = HashMap::new();
        for pair in 0..PAIRS {
            let seed = |what: u8| {
                Sha256::new()
                    .chain_update([what])
                    .chain_update(pair.to_be_bytes())
            };
            let key = UserKey::from(<[u8; 32]>::from(seed(0).finalize()));
            let [user, _] = *seed(1).finalize().as_chunks().0 else {
                unreachable!("32 bytes")
            };
            let id = id("acme", u128::from_be_bytes(user), 1);
            let (configuration, _) = key.configure(&id, &ciphers, &salts, NOW);
            *seen_ciphers.entry(configuration.cipher).or_insert(0) += 1;
            *seen_lengths.entry(configuration.salt_length).or_insert(0) += 1;
        }
        let uniform =
            |seen: u32, choices: u32| (seen * choices).abs_diff(PAIRS) * 100 <= PAIRS * 15;
        assert_eq!(seen_ciphers.len(), 10);
        for (cipher, seen) in seen_ciphers {
            assert!(uniform(seen, 10), "{cipher}: {seen}");
        }
        assert_eq!(seen_lengths.len(), 4);
        for (length, seen) in seen_lengths {
            assert!(uniform(seen, 4), "{length}: {seen}");
        }
    }

    #[test]
    fn salts_use_the_whole_alphabet_and_nothing_else() {
        let longest: SaltLength = "64".parse().unwrap();
        let mut seen = HashMap::new();
        for user in 0..1000 {
            let (key, id) = (UserKey::from([1; 32]), id("acme", user, 1));
            let salt = Derivation::new(&key, &id).salt(longest);
            assert_eq!(salt.len(), 64);
            for char in salt.iter() {
                *seen.entry(*char).or_insert(0) += 1;
            }
        }
        assert_eq!(seen.len(), 62);
        for (char, seen) in seen {
            assert!(ALPHABET.contains(&char));
            assert!((850..1220).contains(&seen), "{}: {seen}", char::from(char)); // 1032 ± 5.7 σ
        }
    }

    #[test]
    fn another_key_client_user_or_version_gives_other_digests_and_opens_nothing() {
        for cipher in Cipher::ALL {
            let pool: CipherPool = cipher.name().parse().unwrap();
            let key = || UserKey::from([1; 32]);
            let version = unlock(&key(), id("acme", 1, 1), &pool);
            let digest = version.digest(b"datum");
            let value = version.seal(b"datum").unwrap();
            let again = unlock(&key(), id("acme", 1, 1), &pool);
            assert_eq!(again.digest(b"datum"), digest, "{cipher}");
            assert_eq!(again.open(value.clone()).unwrap(), b"datum", "{cipher}");
            for other in [
                unlock(&UserKey::from([2; 32]), id("acme", 1, 1), &pool),
                unlock(&key(), id("acm", 1, 1), &pool),
                unlock(&key(), id("acme", 2, 1), &pool),
                unlock(&key(), id("acme", 1, 2), &pool),
            ] {
                assert_ne!(other.digest(b"datum"), digest, "{cipher}, {other:?}");
                assert!(!other.verify(b"datum", &digest), "{cipher}, {other:?}");
                let opened = other.open(value.clone());
                assert_eq!(opened, Err(NotAuthentic), "{cipher}, {other:?}");
            }
        }
    }

    #[test]
    fn upper_and_lower_case_of_a_uuid_are_one_user() {
        let text = "0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e11";
        let id = |text: &str| UserKeyId {
            user: text.parse().unwrap(),
            ..id("acme", 0, 12)
        };
        assert_eq!(id(text), id(&text.to_uppercase()));
        assert_eq!(
            id(&text.to_uppercase()).encryption_context(),
            [
                ("caas:purpose", "user-key".to_owned()),
                ("caas:client", "acme".to_owned()),
                ("caas:user", text.to_owned()),
                ("caas:version", "12".to_owned()),
            ]
        );
    }

    #[test]
    fn an_edited_record_does_not_unlock() {
        let key = UserKey::from([1; 32]);
        let this = || id("acme", 1, 1);
        let (ciphers, salts) = (CipherPool::default(), SaltPool::default());
        let (configuration, mac) = key.configure(&this(), &ciphers, &salts, NOW);
        assert!(key.unlock(this(), &configuration, &mac).is_ok());

        let refused = |key: &UserKey, id, configuration: &Configuration, mac: &RecordMac| {
            let unlocked = key.unlock(id, configuration, mac);
            assert_eq!(unlocked.unwrap_err(), NotAuthentic, "{configuration:?}");
        };
        for cipher in Cipher::ALL
            .into_iter()
            .filter(|c| *c != configuration.cipher)
        {
            let edited = Configuration {
                cipher,
                ..configuration.clone()
            };
            refused(&key, this(), &edited, &mac);
        }
        for length in SaltLength::ALL
            .into_iter()
            .filter(|l| *l != configuration.salt_length)
        {
            let edited = Configuration {
                salt_length: length,
                ..configuration.clone()
            };
            refused(&key, this(), &edited, &mac);
        }
        for bit in 0..64 {
            let edited = Configuration {
                created_at: NOW ^ (1 << bit),
                ..configuration.clone()
            };
            refused(&key, this(), &edited, &mac);
        }
        for bit in 0..RecordMac::LEN * 8 {
            let mut edited = mac;
            edited.0[bit / 8] ^= 1 << (bit % 8);
            refused(&key, this(), &configuration, &edited);
        }
        for other in [id("acm", 1, 1), id("acme", 2, 1), id("acme", 1, 2)] {
            refused(&key, other, &configuration, &mac);
        }
        refused(&UserKey::from([2; 32]), this(), &configuration, &mac);
    }

    #[test]
    fn debug_shows_no_secret() {
        let version = unlock(
            &UserKey::from([1; 32]),
            id("acme", 1, 1),
            &CipherPool::default(),
        );
        let shown = format!("{version:?}");
        assert!(
            shown.starts_with("UserKeyVersion { id: UserKeyId {"),
            "{shown}"
        );
        assert!(shown.ends_with("}, .. }"), "{shown}");
        assert_eq!(format!("{:?}", UserKey::from([1; 32])), "UserKey { .. }");
    }
}
