//! What the environment says.

use std::{num::ParseIntError, time::Duration};

use caas_aws::{KmsKey, UserKeyOptions, UserKeys};
use caas_crypto::{CipherPool, InvalidPool, SaltPool};
use caas_http::{HttpConfig, InvalidHttpConfig};

/// How long keys are remembered where nothing is configured.
const DEFAULT_CACHE: Duration = Duration::from_secs(60);

/// How long keys may be remembered: what erasure has to wait for.
const MAX_CACHE_SECONDS: u64 = 3600;

/// The function's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// API keys, limits and origins.
    pub http: HttpConfig,
    /// `USER_KEYS_BUCKET`: the bucket of the users' records.
    pub bucket: String,
    /// `USER_KEY_ID`: id, ARN or alias of the KMS key that wraps users' keys.
    pub kms_key_id: String,
    /// `CIPHER_POOL`: what a new key selects its cipher from. Every cipher by default.
    pub ciphers: CipherPool,
    /// `SALT_POOL`: what a new key selects the length of its salt from. Every length by default.
    pub salts: SaltPool,
    /// `USER_KEY_CACHE_SECONDS`: how long a key may be used without looking at its record again,
    /// from 0 to 3,600; 60 by default.
    pub cache_for: Duration,
}

impl Config {
    /// Reads the configuration from variables, where `var` gives the value of one.
    ///
    /// # Errors
    /// A value that cannot be read; the message says which and what it should be.
    pub fn read(var: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidConfig> {
        let required = |name, missing| var(name).filter(|value| !value.is_empty()).ok_or(missing);
        Ok(Self {
            bucket: required("USER_KEYS_BUCKET", InvalidConfig::Bucket)?,
            kms_key_id: required("USER_KEY_ID", InvalidConfig::KeyId)?,
            ciphers: match var("CIPHER_POOL") {
                None => CipherPool::default(),
                Some(pool) => pool.parse().map_err(InvalidConfig::Ciphers)?,
            },
            salts: match var("SALT_POOL") {
                None => SaltPool::default(),
                Some(pool) => pool.parse().map_err(InvalidConfig::Salts)?,
            },
            cache_for: match var("USER_KEY_CACHE_SECONDS") {
                None => DEFAULT_CACHE,
                Some(seconds) => cache_for(&seconds)?,
            },
            http: HttpConfig::read(var)?,
        })
    }

    /// The users' keys as configured, through these clients.
    pub fn user_keys(&self, s3: aws_sdk_s3::Client, kms: aws_sdk_kms::Client) -> UserKeys {
        let options = UserKeyOptions {
            bucket: self.bucket.clone(),
            ciphers: self.ciphers.clone(),
            salts: self.salts.clone(),
            cache_for: self.cache_for,
        };
        UserKeys::new(s3, KmsKey::new(kms, &self.kms_key_id), options)
    }
}

fn cache_for(seconds: &str) -> Result<Duration, InvalidConfig> {
    let seconds = seconds
        .parse()
        .map_err(|_: ParseIntError| InvalidConfig::Cache)?;
    if seconds > MAX_CACHE_SECONDS {
        return Err(InvalidConfig::Cache);
    }
    Ok(Duration::from_secs(seconds))
}

/// A variable that cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum InvalidConfig {
    /// One of the HTTP edge's.
    #[error(transparent)]
    Http(#[from] InvalidHttpConfig),
    /// `USER_KEYS_BUCKET`.
    #[error("USER_KEYS_BUCKET does not name the bucket of users' keys")]
    Bucket,
    /// `USER_KEY_ID`.
    #[error("USER_KEY_ID does not name the KMS key that wraps users' keys")]
    KeyId,
    /// `CIPHER_POOL`.
    #[error("CIPHER_POOL: {0}")]
    Ciphers(InvalidPool),
    /// `SALT_POOL`.
    #[error("SALT_POOL: {0}")]
    Salts(InvalidPool),
    /// `USER_KEY_CACHE_SECONDS`.
    #[error(
        "USER_KEY_CACHE_SECONDS is not a whole number of seconds from 0 to {MAX_CACHE_SECONDS}"
    )]
    Cache,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: Option<&str>) -> Result<Config, InvalidConfig> {
        Config::read(|asked| match asked {
            _ if asked == name => value.map(str::to_owned),
            "USER_KEYS_BUCKET" => Some("user-keys".to_owned()),
            "USER_KEY_ID" => Some("alias/users".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn what_is_not_set_has_its_default() {
        let config = read("", None).unwrap();
        assert_eq!(config.ciphers, CipherPool::default());
        assert_eq!(config.salts, SaltPool::default());
        assert_eq!(config.cache_for, Duration::from_secs(60));
    }

    #[test]
    fn values_are_read() {
        let ciphers = read("CIPHER_POOL", Some("sha256,blake3")).unwrap().ciphers;
        assert_eq!(ciphers.to_string(), "sha256,blake3");
        let salts = read("SALT_POOL", Some("64")).unwrap().salts;
        assert_eq!(salts.to_string(), "64");
        for seconds in [0, 1, 3600] {
            let text = seconds.to_string();
            let config = read("USER_KEY_CACHE_SECONDS", Some(&text)).unwrap();
            assert_eq!(config.cache_for, Duration::from_secs(seconds));
        }
    }

    #[test]
    fn wrong_values_stop_the_start_with_the_valid_ones() {
        let ciphers = "blake2b-512, blake2s-256, blake3, md5, ripemd160, sha1, sha224, sha256, \
                       sha384, sha512";
        for (name, value, expected) in [
            ("USER_KEYS_BUCKET", None, "bucket"),
            ("USER_KEYS_BUCKET", Some(""), "bucket"),
            ("USER_KEY_ID", None, "KMS key"),
            ("USER_KEY_ID", Some(""), "KMS key"),
            ("CIPHER_POOL", Some(""), ciphers),
            ("CIPHER_POOL", Some("sha256,sha3"), ciphers),
            ("CIPHER_POOL", Some("md5,md5"), ciphers),
            ("SALT_POOL", Some(""), "8, 16, 32, 64"),
            ("SALT_POOL", Some("12"), "8, 16, 32, 64"),
            ("USER_KEY_CACHE_SECONDS", Some(""), "0 to 3600"),
            ("USER_KEY_CACHE_SECONDS", Some("-1"), "0 to 3600"),
            ("USER_KEY_CACHE_SECONDS", Some("1m"), "0 to 3600"),
            ("USER_KEY_CACHE_SECONDS", Some("3601"), "0 to 3600"),
            ("MAX_BODY_BYTES", Some("many"), "bytes"),
        ] {
            let message = read(name, value).unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
            assert!(message.contains(expected), "{message}");
        }
    }
}
