//! Users' keys: what is derived from the secret of one key version, and what it is for.
//!
//! Everything is derived from the 32-byte secret by HKDF-SHA512 (RFC 5869) without salt:
//!
//! ```text
//! info = "caas:v2" ‖ purpose ‖ client ‖ user UUID (16 bytes) ‖ version (u32, big endian)
//! ```
//!
//! with a u32 big-endian length before every part. The purposes:
//!
//! | purpose | output |
//! |---|---|
//! | `cipher`, `salt-length` | one choice out of the pool |
//! | `salt` | as many choices out of `0-9A-Za-z` as the salt is long |
//! | `mac` | 64 bytes: the key of the digest; BLAKE2s and BLAKE3 use the first 32 |
//! | `values` | 32 bytes: the key of reversible values |
//!
//! Choices are made by rejection sampling over the output as a stream of u32, big endian. (HKDF's
//! shorter outputs are prefixes of its longer ones, so the stream needs no length.) To choose one
//! of n values, word ÷ ⌊2^32 ÷ n⌋ is the position in the pool; a word for which this is not below n
//! is skipped.

use std::{fmt, sync::OnceLock};

use zeroize::Zeroizing;

use crate::{
    Cipher, CipherPool, NotAuthentic, RandomnessUnavailable, SaltLength, SaltPool, SealError,
    UserId, UserKey,
    derive::Prk,
    digest::KeyedDigest,
    framing::prefixed,
    reversible::{self, DOMAIN},
    sample::Choices,
    secret::fill_random,
    xaes::Xaes,
};

/// The characters of a salt.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A random name of one version of a user's key. It is not secret: values carry it, so that a
/// version number that was ever used twice does not pass for the other key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId([u8; KeyId::LEN]);

impl KeyId {
    /// Length in bytes.
    pub const LEN: usize = 8;

    pub(crate) fn as_bytes(&self) -> &[u8; KeyId::LEN] {
        &self.0
    }
}

impl From<[u8; KeyId::LEN]> for KeyId {
    fn from(bytes: [u8; KeyId::LEN]) -> Self {
        Self(bytes)
    }
}

/// One version of a user's key as the user's record keeps it.
pub struct RecordedVersion {
    /// From 1.
    pub number: u32,
    /// Its random name.
    pub id: KeyId,
    /// What everything is derived from.
    pub secret: UserKey,
    /// The cipher of its digests.
    pub cipher: Cipher,
    /// The length of their salt.
    pub salt_length: SaltLength,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub created_at: u64,
}

/// One version of a user's key, with everything derived from it. It is as secret as the key itself
/// and is wiped on drop.
pub struct UserKeyVersion {
    user: UserId,
    recorded: RecordedVersion,
    derived: OnceLock<Derived>,
}

/// Derived at first use.
struct Derived {
    digest: KeyedDigest,
    values: Xaes,
}

impl UserKeyVersion {
    /// The version of this user's key.
    pub fn new(user: UserId, recorded: RecordedVersion) -> Self {
        Self {
            user,
            recorded,
            derived: OnceLock::new(),
        }
    }

    /// A new version: a random id and secret, and the cipher and salt length that the secret
    /// selects from the pools.
    pub(crate) fn generate(
        user: &UserId,
        number: u32,
        ciphers: &CipherPool,
        salts: &SaltPool,
        created_at: u64,
    ) -> Result<Self, RandomnessUnavailable> {
        let mut id = KeyId([0; KeyId::LEN]);
        fill_random(&mut id.0)?;
        let secret = UserKey::generate()?;
        let (cipher, salt_length) = select(&secret, user, number, ciphers, salts);
        let recorded = RecordedVersion {
            number,
            id,
            secret,
            cipher,
            salt_length,
            created_at,
        };
        Ok(Self::new(user.clone(), recorded))
    }

    /// Its number, from 1.
    pub fn number(&self) -> u32 {
        self.recorded.number
    }

    /// Its random name.
    pub fn id(&self) -> KeyId {
        self.recorded.id
    }

    /// The cipher of its digests.
    pub fn cipher(&self) -> Cipher {
        self.recorded.cipher
    }

    /// When it was made, in seconds since 1970-01-01T00:00:00Z.
    pub fn created_at(&self) -> u64 {
        self.recorded.created_at
    }

    /// The digest of `data` in lower-case hex, always the same for this key version. It cannot be
    /// reversed, nor recomputed without the key.
    pub fn digest(&self, data: &[u8]) -> String {
        self.derived().digest.digest(data)
    }

    /// Whether `digest` is the [`digest`](Self::digest) of `data`, in constant time.
    pub fn verify(&self, data: &[u8], digest: &str) -> bool {
        self.derived().digest.verify(data, digest)
    }

    /// Encrypts `data` for [`open`](Self::open) with the same context.
    ///
    /// # Errors
    /// No randomness is available, or the data is too long for one message.
    pub fn seal(&self, data: &[u8], context: &[u8]) -> Result<reversible::Value, SealError> {
        let aad = self.value_aad(context);
        let sealed = self.derived().values.seal(&aad, data)?;
        Ok(reversible::Value {
            user: self.user.user,
            version: self.recorded.number,
            key_id: self.recorded.id,
            sealed,
        })
    }

    /// Decrypts a value.
    ///
    /// # Errors
    /// The value was changed, or belongs to another key, client, user, version or context.
    pub fn open(
        &self,
        value: &reversible::Value,
        context: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
        let named = (value.user, value.version, value.key_id);
        if named != (self.user.user, self.recorded.number, self.recorded.id) {
            return Err(NotAuthentic);
        }
        let aad = self.value_aad(context);
        self.derived().values.open(&aad, &value.sealed)
    }

    pub(crate) fn secret(&self) -> &UserKey {
        &self.recorded.secret
    }

    pub(crate) fn salt_length(&self) -> SaltLength {
        self.recorded.salt_length
    }

    fn derived(&self) -> &Derived {
        self.derived.get_or_init(|| {
            let keys = Derivation::new(&self.recorded.secret, &self.user, self.recorded.number);
            let salt = keys.salt(self.recorded.salt_length);
            Derived {
                digest: KeyedDigest::new(self.recorded.cipher, &keys.expand("mac"), &salt),
                values: Xaes::new(&keys.expand("values")),
            }
        })
    }

    fn value_aad(&self, context: &[u8]) -> Vec<u8> {
        let [client, user] = self.user.parts();
        let version = self.recorded.number.to_be_bytes();
        prefixed(&[
            DOMAIN,
            client,
            user,
            &version,
            self.recorded.id.as_bytes(),
            context,
        ])
    }
}

impl fmt::Debug for UserKeyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserKeyVersion")
            .field("number", &self.recorded.number)
            .field("id", &self.recorded.id)
            .finish_non_exhaustive()
    }
}

/// The cipher and salt length that a secret selects from the pools.
fn select(
    secret: &UserKey,
    user: &UserId,
    number: u32,
    ciphers: &CipherPool,
    salts: &SaltPool,
) -> (Cipher, SaltLength) {
    let keys = Derivation::new(secret, user, number);
    let cipher = keys.choices("cipher", 1).pick(ciphers.values());
    (cipher, keys.choices("salt-length", 1).pick(salts.values()))
}

/// A secret extracted for one version of one user's key.
struct Derivation<'a> {
    prk: Prk,
    user: &'a UserId,
    version: u32,
}

impl<'a> Derivation<'a> {
    fn new(secret: &UserKey, user: &'a UserId, version: u32) -> Self {
        Self {
            prk: Prk::extract(None, secret.expose()),
            user,
            version,
        }
    }

    fn expand<const N: usize>(&self, purpose: &str) -> Zeroizing<[u8; N]> {
        self.prk.expand(&[&self.info(purpose)])
    }

    /// The choices that the purpose needs.
    fn choices(&self, purpose: &str, count: usize) -> Choices<impl Fn(&mut [u8])> {
        let info = self.info(purpose);
        Choices::new(count, move |stream| self.prk.expand_into(&[&info], stream))
    }

    fn info(&self, purpose: &str) -> Vec<u8> {
        let [client, user] = self.user.parts();
        let version = self.version.to_be_bytes();
        prefixed(&[DOMAIN, purpose.as_bytes(), client, user, &version])
    }

    fn salt(&self, length: SaltLength) -> Zeroizing<Vec<u8>> {
        let mut choices = self.choices("salt", length.chars().into());
        let chars = 0..length.chars();
        Zeroizing::new(chars.map(|_| choices.pick(ALPHABET)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;
    use sha2::{Digest, Sha256};
    use uuid::Uuid;

    use super::*;

    fn user(client: &str, user: u128) -> UserId {
        UserId {
            client: client.parse().unwrap(),
            user: Uuid::from_u128(user),
        }
    }

    fn version(secret: u8, user: UserId, number: u32, cipher: Cipher) -> UserKeyVersion {
        let recorded = RecordedVersion {
            number,
            id: KeyId([3; 8]),
            secret: UserKey::from([secret; 32]),
            cipher,
            salt_length: "16".parse().unwrap(),
            created_at: 0,
        };
        UserKeyVersion::new(user, recorded)
    }

    #[derive(Deserialize)]
    struct Selection {
        secret: String,
        client: String,
        user: String,
        version: u32,
        ciphers: String,
        salt_lengths: String,
        cipher: String,
        salt_length: u8,
    }

    /// Computed by `docs/formats/vectors.py` without this crate.
    #[test]
    fn known_selections_from_pools() {
        let vectors = include_str!("../../../docs/formats/vectors.json");
        let vectors: HashMap<String, serde_json::Value> = serde_json::from_str(vectors).unwrap();
        let selections: Vec<Selection> =
            serde_json::from_value(vectors["selections"].clone()).unwrap();
        assert_eq!(selections.len(), 38);
        for answer in selections {
            let secret = hex::decode(&answer.secret).unwrap();
            let user = UserId {
                client: answer.client.parse().unwrap(),
                user: answer.user.parse().unwrap(),
            };
            let (cipher, salt_length) = select(
                &UserKey::try_from(secret.as_slice()).unwrap(),
                &user,
                answer.version,
                &answer.ciphers.parse().unwrap(),
                &answer.salt_lengths.parse().unwrap(),
            );
            assert_eq!(cipher.name(), answer.cipher);
            assert_eq!(salt_length.chars(), answer.salt_length);
        }
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
            let secret = UserKey::from(<[u8; 32]>::from(seed(0).finalize()));
            let [uuid, _] = *seed(1).finalize().as_chunks().0 else {
                unreachable!("32 bytes")
            };
            let user = user("acme", u128::from_be_bytes(uuid));
            let (cipher, salt_length) = select(&secret, &user, 1, &ciphers, &salts);
            *seen_ciphers.entry(cipher).or_insert(0) += 1;
            *seen_lengths.entry(salt_length).or_insert(0) += 1;
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
        for number in 0..1000 {
            let (secret, user) = (UserKey::from([1; 32]), user("acme", number));
            let salt = Derivation::new(&secret, &user, 1).salt(longest);
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
    fn another_key_client_user_version_or_context_gives_other_digests_and_opens_nothing() {
        for cipher in Cipher::ALL {
            let this = || version(1, user("acme", 1), 1, cipher);
            let digest = this().digest(b"datum");
            let value = this().seal(b"datum", b"email").unwrap();
            assert_eq!(
                *this().open(&value, b"email").unwrap(),
                b"datum",
                "{cipher}"
            );
            for context in ["", "notes", "emai", "email\0"] {
                let opened = this().open(&value, context.as_bytes());
                assert_eq!(opened, Err(NotAuthentic), "{cipher}, {context:?}");
            }
            for other in [
                version(2, user("acme", 1), 1, cipher),
                version(1, user("acm", 1), 1, cipher),
                version(1, user("acme", 2), 1, cipher),
                version(1, user("acme", 1), 2, cipher),
            ] {
                assert_ne!(other.digest(b"datum"), digest, "{cipher}, {other:?}");
                assert!(!other.verify(b"datum", &digest), "{cipher}, {other:?}");
                // Relabelled, so that the additional data decide.
                let relabelled = reversible::Value {
                    user: other.user.user,
                    version: other.number(),
                    ..value.clone()
                };
                for value in [&value, &relabelled] {
                    let opened = other.open(value, b"email");
                    assert_eq!(opened, Err(NotAuthentic), "{cipher}, {other:?}");
                }
            }
        }
    }

    #[test]
    fn a_reused_number_is_not_the_same_key() {
        let first = version(1, user("acme", 1), 1, Cipher::Sha256);
        let mut second = version(1, user("acme", 1), 1, Cipher::Sha256);
        second.recorded.id = KeyId([4; 8]);
        let value = first.seal(b"datum", b"").unwrap();
        assert_eq!(second.open(&value, b""), Err(NotAuthentic));
        let relabelled = reversible::Value {
            key_id: KeyId([4; 8]),
            ..value
        };
        assert_eq!(second.open(&relabelled, b""), Err(NotAuthentic));
    }

    #[test]
    fn debug_shows_no_secret() {
        let version = version(1, user("acme", 1), 1, Cipher::Sha256);
        let shown = format!("{version:?}");
        assert_eq!(
            shown,
            "UserKeyVersion { number: 1, id: KeyId([3, 3, 3, 3, 3, 3, 3, 3]), .. }"
        );
        assert_eq!(format!("{:?}", UserKey::from([1; 32])), "UserKey { .. }");
    }
}
