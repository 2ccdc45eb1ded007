//! A user's keyset: every version of the user's key, and the sealed body that keeps it.
//!
//! ```text
//! body      = nonce (24) ‖ ciphertext ‖ tag (16): XAES-256-GCM under the record's key
//! plaintext = highest version ever (u32) ‖ for each version, in ascending order:
//!             number (u32) ‖ key id (8) ‖ secret (32) ‖ cipher (u8) ‖ salt length (u8) ‖
//!             created at (u64, seconds since 1970)
//! ```
//!
//! Numbers are big endian, so that a version takes 54 bytes; a cipher is its
//! [code](crate::Cipher). The additional data are `"caas-user-key:v2"`, client and user UUID (16
//! bytes), each prefixed with its length (u32, big endian).
//!
//! A record's key seals one body: every change of the record takes a new key from KMS, so a key
//! that leaks opens no later record.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::{
    Cipher, CipherPool, KeyId, NotAuthentic, RandomnessUnavailable, RecordKey, RecordedVersion,
    SaltLength, SaltPool, SealError, UserId, UserKey, UserKeyVersion, framing::prefixed,
    xaes::Xaes,
};

/// The name of the format of records.
pub const RECORD_FORMAT: &str = "caas-user-key:v2";

/// The most versions that one user's key can have.
pub const MAX_VERSIONS: usize = 100;

/// The encoded length of one version, in bytes.
const VERSION_LEN: usize = 4 + KeyId::LEN + UserKey::LEN + 1 + 1 + 8;

/// Every version of one user's key. Without a record it is empty; after shredding only the highest
/// number is left.
#[derive(Clone, Debug, Default)]
pub struct UserKeyset {
    highest: u32,
    versions: Vec<Arc<UserKeyVersion>>,
}

impl UserKeyset {
    /// What is left after shredding: no version, and the highest number ever used.
    pub fn shredded(highest: u32) -> Self {
        Self {
            highest,
            versions: Vec::new(),
        }
    }

    /// The highest version number ever used; 0 if there was none.
    pub fn highest(&self) -> u32 {
        self.highest
    }

    /// The versions, in ascending order.
    pub fn versions(&self) -> &[Arc<UserKeyVersion>] {
        &self.versions
    }

    /// The version that new values use.
    pub fn latest(&self) -> Option<&Arc<UserKeyVersion>> {
        self.versions.last()
    }

    /// This keyset and a new version: the next number, a random id and secret, and the cipher and
    /// salt length that the secret selects from the pools.
    ///
    /// # Errors
    /// There are [`MAX_VERSIONS`] already, or no randomness is available.
    pub fn rotated(
        &self,
        user: &UserId,
        ciphers: &CipherPool,
        salts: &SaltPool,
        created_at: u64,
    ) -> Result<Self, RotateError> {
        let highest = self.highest.checked_add(1).ok_or(RotateError::Full)?;
        if self.versions.len() >= MAX_VERSIONS {
            return Err(RotateError::Full);
        }
        let version = UserKeyVersion::generate(user, highest, ciphers, salts, created_at)?;
        let mut versions = self.versions.clone();
        versions.push(Arc::new(version));
        Ok(Self { highest, versions })
    }

    /// The sealed body of `user`'s record. It takes the key: a record's key seals one body.
    ///
    /// # Errors
    /// No randomness is available.
    pub fn seal(&self, key: RecordKey, user: &UserId) -> Result<Vec<u8>, SealError> {
        let len = 4 + self.versions.len() * VERSION_LEN;
        let mut plaintext = Zeroizing::new(Vec::with_capacity(len));
        plaintext.extend_from_slice(&self.highest.to_be_bytes());
        for version in &self.versions {
            plaintext.extend_from_slice(&version.number().to_be_bytes());
            plaintext.extend_from_slice(version.id().as_bytes());
            plaintext.extend_from_slice(version.secret().expose());
            plaintext.push(version.cipher().code());
            plaintext.push(version.salt_length().chars());
            plaintext.extend_from_slice(&version.created_at().to_be_bytes());
        }
        debug_assert_eq!(plaintext.len(), len, "secrets were moved, and not wiped");
        Xaes::new(key.expose()).seal(&aad(user), &plaintext)
    }

    /// Opens the body of `user`'s record.
    ///
    /// # Errors
    /// The body was changed, or belongs to another key, client or user.
    pub fn open(key: &RecordKey, user: &UserId, body: &[u8]) -> Result<Self, NotAuthentic> {
        let plaintext = Xaes::new(key.expose()).open(&aad(user), body)?;
        Self::parse(&plaintext, user).ok_or(NotAuthentic)
    }

    fn parse(plaintext: &[u8], user: &UserId) -> Option<Self> {
        let (highest, versions) = plaintext.split_first_chunk()?;
        let highest = u32::from_be_bytes(*highest);
        let (versions, []) = versions.as_chunks::<VERSION_LEN>() else {
            return None;
        };
        let versions: Vec<_> = versions
            .iter()
            .map(|bytes| parse_version(bytes, user).map(Arc::new))
            .collect::<Option<_>>()?;
        let numbers = || versions.iter().map(|version| version.number());
        let well_formed = (1..=MAX_VERSIONS).contains(&versions.len())
            && numbers().next() != Some(0)
            && numbers().is_sorted_by(|a, b| a < b)
            && numbers().all(|number| number <= highest);
        well_formed.then_some(Self { highest, versions })
    }
}

fn parse_version(bytes: &[u8; VERSION_LEN], user: &UserId) -> Option<UserKeyVersion> {
    let (number, rest) = bytes.split_first_chunk()?;
    let (id, rest) = rest.split_first_chunk()?;
    let (secret, rest) = rest.split_at_checked(UserKey::LEN)?;
    let ([cipher, salt_length], created_at) = rest.split_first_chunk()?;
    let recorded = RecordedVersion {
        number: u32::from_be_bytes(*number),
        id: KeyId::from(*id),
        secret: UserKey::try_from(secret).ok()?,
        cipher: Cipher::from_code(*cipher)?,
        salt_length: SaltLength::try_from(*salt_length).ok()?,
        created_at: u64::from_be_bytes(created_at.try_into().ok()?),
    };
    Some(UserKeyVersion::new(user.clone(), recorded))
}

fn aad(user: &UserId) -> Vec<u8> {
    let [client, user] = user.parts();
    prefixed(&[RECORD_FORMAT.as_bytes(), client, user])
}

/// Why there is no new version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotateError {
    /// The keyset is full.
    #[error("the user has {MAX_VERSIONS} key versions, the maximum")]
    Full,
    /// The system's random number generator is not available.
    #[error(transparent)]
    Randomness(#[from] RandomnessUnavailable),
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const NOW: u64 = 1_760_000_000;

    fn user(client: &str, user: u128) -> UserId {
        UserId {
            client: client.parse().unwrap(),
            user: Uuid::from_u128(user),
        }
    }

    fn key() -> RecordKey {
        RecordKey::from([9; 32])
    }

    fn rotated(keyset: &UserKeyset) -> Result<UserKeyset, RotateError> {
        let (ciphers, salts) = (CipherPool::default(), SaltPool::default());
        keyset.rotated(&user("acme", 1), &ciphers, &salts, NOW)
    }

    #[test]
    fn a_keyset_round_trips_and_is_bound_to_its_key_client_and_user() {
        let this = user("acme", 1);
        let keyset = rotated(&rotated(&UserKeyset::shredded(6)).unwrap()).unwrap();
        let body = keyset.seal(key(), &this).unwrap();
        assert_eq!(body.len(), 24 + 4 + 2 * 54 + 16);

        let opened = UserKeyset::open(&key(), &this, &body).unwrap();
        assert_eq!(opened.highest(), 8);
        for (number, (opened, made)) in (7..).zip(opened.versions().iter().zip(keyset.versions())) {
            assert_eq!((opened.number(), made.number()), (number, number));
            assert_eq!(opened.id(), made.id());
            assert_eq!(opened.created_at(), NOW);
            assert_eq!(opened.digest(b"datum"), made.digest(b"datum"));
            let value = made.seal(b"datum", b"").unwrap();
            assert_eq!(*opened.open(&value, b"").unwrap(), b"datum");
        }
        let [first, second] = keyset.versions() else {
            panic!("two versions");
        };
        assert_ne!(first.id(), second.id());
        assert_ne!(first.secret(), second.secret());

        for other in [user("acm", 1), user("globex", 1), user("acme", 2)] {
            let opened = UserKeyset::open(&key(), &other, &body);
            assert_eq!(opened.unwrap_err(), NotAuthentic, "{other:?}");
        }
        let other = RecordKey::from([8; 32]);
        assert!(UserKeyset::open(&other, &this, &body).is_err());
    }

    #[test]
    fn a_hundred_versions_are_the_most() {
        let mut keyset = UserKeyset::default();
        for _ in 0..MAX_VERSIONS {
            keyset = rotated(&keyset).unwrap();
        }
        assert_eq!(keyset.highest(), 100);
        let body = keyset.seal(key(), &user("acme", 1)).unwrap();
        assert!(UserKeyset::open(&key(), &user("acme", 1), &body).is_ok());
        assert_eq!(rotated(&keyset).unwrap_err(), RotateError::Full);
        let last = UserKeyset::shredded(u32::MAX);
        assert_eq!(rotated(&last).unwrap_err(), RotateError::Full);
    }

    /// What only a holder of the record's key could have written is checked all the same.
    #[test]
    fn malformed_bodies_are_refused_under_the_right_key() {
        let this = user("acme", 1);
        let version = |number: u32, cipher: u8, salt_length: u8| {
            let mut bytes = number.to_be_bytes().to_vec();
            bytes.extend([7; KeyId::LEN + UserKey::LEN]);
            bytes.extend([cipher, salt_length]);
            bytes.extend(NOW.to_be_bytes());
            bytes
        };
        let body = |highest: u32, versions: &[Vec<u8>]| {
            [&highest.to_be_bytes()[..], &versions.concat()].concat()
        };
        let open = |plaintext: &[u8]| {
            let body = Xaes::new(&[9; 32]).seal(&aad(&this), plaintext).unwrap();
            UserKeyset::open(&key(), &this, &body).is_ok()
        };
        assert!(open(&body(5, &[version(2, 1, 8), version(4, 10, 64)])));
        for malformed in [
            vec![],
            vec![0; 3],
            body(1, &[]),
            body(1, &[version(0, 1, 8)]),
            body(1, &[version(2, 1, 8)]),
            body(2, &[version(2, 1, 8), version(1, 1, 8)]),
            body(2, &[version(2, 1, 8), version(2, 1, 8)]),
            body(1, &[version(1, 0, 8)]),
            body(1, &[version(1, 11, 8)]),
            body(1, &[version(1, 1, 9)]),
            body(1, &[version(1, 1, 8), vec![0]]),
            body(
                200,
                &(1..=101).map(|n| version(n, 1, 8)).collect::<Vec<_>>(),
            ),
        ] {
            assert!(!open(&malformed), "{malformed:?}");
        }
    }
}
