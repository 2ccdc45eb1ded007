//! The pools that a user's key selects from: ciphers and salt lengths.

use std::{fmt, str::FromStr};

/// A keyed digest that a user's key may select.
///
/// All are keyed: HMAC (RFC 2104) for md5, ripemd160, sha1 and the sha2 family, the native keyed
/// modes for BLAKE2 (RFC 7693) and BLAKE3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cipher {
    /// BLAKE2b, 64 bytes.
    Blake2b512 = 1,
    /// BLAKE2s, 32 bytes.
    Blake2s256 = 2,
    /// BLAKE3, 32 bytes.
    Blake3 = 3,
    /// HMAC-MD5, 16 bytes.
    Md5 = 4,
    /// HMAC-RIPEMD-160, 20 bytes.
    Ripemd160 = 5,
    /// HMAC-SHA-1, 20 bytes.
    Sha1 = 6,
    /// HMAC-SHA-224, 28 bytes.
    Sha224 = 7,
    /// HMAC-SHA-256, 32 bytes.
    Sha256 = 8,
    /// HMAC-SHA-384, 48 bytes.
    Sha384 = 9,
    /// HMAC-SHA-512, 64 bytes.
    Sha512 = 10,
}

impl Cipher {
    /// Every cipher, in the order of the default pool.
    pub const ALL: [Self; 10] = [
        Self::Blake2b512,
        Self::Blake2s256,
        Self::Blake3,
        Self::Md5,
        Self::Ripemd160,
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
    ];

    /// The name used in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blake2b512 => "blake2b-512",
            Self::Blake2s256 => "blake2s-256",
            Self::Blake3 => "blake3",
            Self::Md5 => "md5",
            Self::Ripemd160 => "ripemd160",
            Self::Sha1 => "sha1",
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// The number that stands for it in users' records.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|cipher| cipher.code() == code)
    }

    /// The digest's length in bytes; as hex it is twice as long.
    pub fn digest_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Ripemd160 | Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Blake2s256 | Self::Blake3 | Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Blake2b512 | Self::Sha512 => 64,
        }
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Cipher {
    type Err = NotInPool;

    fn from_str(name: &str) -> Result<Self, NotInPool> {
        Self::ALL
            .into_iter()
            .find(|cipher| cipher.name() == name)
            .ok_or(NotInPool)
    }
}

/// The length of a salt: 8, 16, 32 or 64 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SaltLength(u8);

impl SaltLength {
    /// Every length, in the order of the default pool.
    pub const ALL: [Self; 4] = [Self(8), Self(16), Self(32), Self(64)];

    /// The number of characters, each of one byte.
    pub fn chars(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for SaltLength {
    type Error = NotInPool;

    fn try_from(chars: u8) -> Result<Self, NotInPool> {
        Self::ALL
            .into_iter()
            .find(|length| length.0 == chars)
            .ok_or(NotInPool)
    }
}

impl fmt::Display for SaltLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SaltLength {
    type Err = NotInPool;

    fn from_str(text: &str) -> Result<Self, NotInPool> {
        Self::ALL
            .into_iter()
            .find(|length| length.to_string() == text)
            .ok_or(NotInPool)
    }
}

/// The ciphers that new user keys select from.
pub type CipherPool = Pool<Cipher>;

/// The salt lengths that new user keys select from.
pub type SaltPool = Pool<SaltLength>;

/// An ordered list of distinct values to select from, at least one. The order matters: keys select
/// positions.
///
/// As text, commas separate the values; spaces around them are ignored.
///
/// ```
/// let pool: caas_crypto::CipherPool = "sha256, sha512, blake3".parse()?;
/// assert_eq!(pool.to_string(), "sha256,sha512,blake3");
/// let refused = "sha256,sha-3".parse::<caas_crypto::CipherPool>().unwrap_err();
/// assert!(refused.to_string().starts_with("\"sha-3\" is not one of: blake2b-512, "));
/// # Ok::<(), caas_crypto::InvalidPool>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool<T>(Vec<T>);

impl<T> Pool<T> {
    /// The values, at least one.
    pub fn values(&self) -> &[T] {
        &self.0
    }
}

impl FromStr for CipherPool {
    type Err = InvalidPool;

    fn from_str(text: &str) -> Result<Self, InvalidPool> {
        parse(text, &Cipher::ALL)
    }
}

impl FromStr for SaltPool {
    type Err = InvalidPool;

    fn from_str(text: &str) -> Result<Self, InvalidPool> {
        parse(text, &SaltLength::ALL)
    }
}

/// Every cipher.
impl Default for CipherPool {
    fn default() -> Self {
        Self(Cipher::ALL.to_vec())
    }
}

/// Every length.
impl Default for SaltPool {
    fn default() -> Self {
        Self(SaltLength::ALL.to_vec())
    }
}

impl<T: fmt::Display> fmt::Display for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&list(&self.0, ","))
    }
}

fn parse<T>(text: &str, all: &[T]) -> Result<Pool<T>, InvalidPool>
where
    T: Copy + PartialEq + FromStr + fmt::Display,
{
    let valid = || list(all, ", ");
    if text.trim().is_empty() {
        return Err(InvalidPool::Empty { valid: valid() });
    }
    let mut values = Vec::new();
    for item in text.split(',') {
        let item = item.trim();
        let value = item.parse().map_err(|_| InvalidPool::Unknown {
            item: item.to_owned(),
            valid: valid(),
        })?;
        if values.contains(&value) {
            return Err(InvalidPool::Duplicate {
                item: item.to_owned(),
                valid: valid(),
            });
        }
        values.push(value);
    }
    Ok(Pool(values))
}

fn list<T: fmt::Display>(values: &[T], separator: &str) -> String {
    let names: Vec<String> = values.iter().map(T::to_string).collect();
    names.join(separator)
}

/// Neither the name of a cipher nor the length of a salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid value of a pool")]
pub struct NotInPool;

/// Why a text is not a pool. The message lists the valid values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPool {
    /// It is empty.
    #[error("empty; name at least one of: {valid}")]
    Empty {
        /// The valid values.
        valid: String,
    },
    /// An item is not a valid value.
    #[error("{item:?} is not one of: {valid}")]
    Unknown {
        /// The item.
        item: String,
        /// The valid values.
        valid: String,
    },
    /// An item is a duplicate.
    #[error("{item:?} is a duplicate; name each at most once of: {valid}")]
    Duplicate {
        /// The item.
        item: String,
        /// The valid values.
        valid: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const CIPHERS: &str =
        "blake2b-512, blake2s-256, blake3, md5, ripemd160, sha1, sha224, sha256, sha384, sha512";

    #[test]
    fn names_round_trip_and_are_pinned() {
        for cipher in Cipher::ALL {
            assert_eq!(cipher.name().parse(), Ok(cipher));
            assert_eq!(Cipher::from_code(cipher.code()), Some(cipher));
        }
        assert_eq!(
            Cipher::ALL.map(Cipher::code),
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
        );
        for length in SaltLength::ALL {
            assert_eq!(length.to_string().parse(), Ok(length));
            assert_eq!(SaltLength::try_from(length.chars()), Ok(length));
        }
        assert_eq!(CipherPool::default().to_string(), CIPHERS.replace(' ', ""));
        assert_eq!(SaltPool::default().to_string(), "8,16,32,64");
    }

    #[test]
    fn the_order_given_is_kept() {
        let pool: CipherPool = " sha512,md5 ,\tblake3 ".parse().unwrap();
        assert_eq!(pool.values(), [Cipher::Sha512, Cipher::Md5, Cipher::Blake3]);
        assert_eq!(pool.to_string(), "sha512,md5,blake3");
        assert_eq!("64,8".parse::<SaltPool>().unwrap().to_string(), "64,8");
    }

    #[test]
    fn empty_unknown_and_duplicate_values_are_refused_with_the_list_of_valid_ones() {
        for (text, message) in [
            ("", "empty; name at least one of: "),
            (" ", "empty; name at least one of: "),
            (",", "\"\" is not one of: "),
            ("md5,", "\"\" is not one of: "),
            ("MD5", "\"MD5\" is not one of: "),
            ("aes-256-gcm", "\"aes-256-gcm\" is not one of: "),
            ("md5;sha1", "\"md5;sha1\" is not one of: "),
            (
                "md5,sha1, md5",
                "\"md5\" is a duplicate; name each at most once of: ",
            ),
        ] {
            let refused = text.parse::<CipherPool>().unwrap_err().to_string();
            assert_eq!(refused, format!("{message}{CIPHERS}"), "{text:?}");
        }
        for (text, message) in [
            ("", "empty; name at least one of: "),
            ("0", "\"0\" is not one of: "),
            ("08", "\"08\" is not one of: "),
            ("+8", "\"+8\" is not one of: "),
            ("256", "\"256\" is not one of: "),
            ("264", "\"264\" is not one of: "),
            ("8,8", "\"8\" is a duplicate; name each at most once of: "),
        ] {
            let refused = text.parse::<SaltPool>().unwrap_err().to_string();
            assert_eq!(refused, format!("{message}8, 16, 32, 64"), "{text:?}");
        }
    }
}
