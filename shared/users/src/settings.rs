//! The settings of users' keys.

use std::{str::FromStr, time::Duration};

use caas_aws::{Clients, KmsKey};
use caas_crypto::{CipherPool, SaltPool};
use caas_settings::{InvalidSetting, Settings};

use crate::{UserKeyOptions, UserKeys};

/// How long keys are cached by default.
const DEFAULT_CACHE: Duration = Duration::from_secs(60);

/// The longest that keys may be cached, in seconds, and so the longest that erasure takes to reach
/// every process.
const MAX_CACHE_SECONDS: u64 = 3600;

/// Where users' records are, which KMS key wraps their keys, and what new keys are made from.
#[derive(Clone, Debug)]
pub struct UserSettings {
    /// `USER_KEY_ID`: the KMS key that wraps users' keys, as id, ARN or alias.
    pub key_id: String,
    /// `USER_KEYS_BUCKET`; `CIPHER_POOL`, every cipher by default; `SALT_POOL`, every length by
    /// default; `USER_KEY_CACHE_SECONDS`, 0 to 3,600, 60 by default.
    pub options: UserKeyOptions,
}

impl UserSettings {
    /// Reads the settings.
    ///
    /// # Errors
    /// A variable is not set or does not parse.
    pub fn read(settings: &Settings) -> Result<Self, InvalidSetting> {
        let cache_for = CacheFor(DEFAULT_CACHE);
        let CacheFor(cache_for) = settings.parse_strict("USER_KEY_CACHE_SECONDS", cache_for)?;
        Ok(Self {
            key_id: settings.required("USER_KEY_ID")?,
            options: UserKeyOptions {
                bucket: settings.required("USER_KEYS_BUCKET")?,
                ciphers: settings.parse_strict("CIPHER_POOL", CipherPool::default())?,
                salts: settings.parse_strict("SALT_POOL", SaltPool::default())?,
                cache_for,
            },
        })
    }

    /// The users' keys, accessed through these clients.
    pub fn user_keys(&self, clients: &Clients) -> UserKeys {
        let key = KmsKey::new(clients.kms.clone(), &self.key_id);
        UserKeys::new(clients.s3.clone(), key, self.options.clone())
    }
}

struct CacheFor(Duration);

impl FromStr for CacheFor {
    type Err = String;

    fn from_str(seconds: &str) -> Result<Self, String> {
        let seconds = seconds.parse().ok();
        let seconds = seconds.filter(|seconds| *seconds <= MAX_CACHE_SECONDS);
        let cache_for = seconds.map(|seconds| Self(Duration::from_secs(seconds)));
        cache_for
            .ok_or_else(|| format!("not a whole number of seconds from 0 to {MAX_CACHE_SECONDS}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIRED: [(&str, &str); 2] = [
        ("USER_KEYS_BUCKET", "user-keys"),
        ("USER_KEY_ID", "alias/users"),
    ];

    fn with(name: &str, value: &str) -> Result<UserSettings, InvalidSetting> {
        UserSettings::read(&Settings::from([REQUIRED[0], REQUIRED[1], (name, value)]))
    }

    #[test]
    fn unset_values_have_defaults() {
        let UserSettings { options, .. } = UserSettings::read(&Settings::from(REQUIRED)).unwrap();
        assert_eq!(options.ciphers, CipherPool::default());
        assert_eq!(options.salts, SaltPool::default());
        assert_eq!(options.cache_for, Duration::from_secs(60));
    }

    #[test]
    fn values_are_read() {
        let ciphers = with("CIPHER_POOL", "sha256,blake3")
            .unwrap()
            .options
            .ciphers;
        assert_eq!(ciphers.to_string(), "sha256,blake3");
        assert_eq!(
            with("SALT_POOL", "64").unwrap().options.salts.to_string(),
            "64"
        );
        for seconds in [0, 1, 3600] {
            let settings = with("USER_KEY_CACHE_SECONDS", &seconds.to_string()).unwrap();
            assert_eq!(settings.options.cache_for, Duration::from_secs(seconds));
        }
    }

    #[test]
    fn wrong_values_stop_the_start_with_the_valid_ones() {
        let ciphers = "blake2b-512, blake2s-256, blake3, md5, ripemd160, sha1, sha224, sha256, \
                       sha384, sha512";
        for (name, value, expected) in [
            ("USER_KEYS_BUCKET", "", "not set"),
            ("USER_KEY_ID", "", "not set"),
            ("CIPHER_POOL", "", ciphers),
            ("CIPHER_POOL", "sha256,sha3", ciphers),
            ("CIPHER_POOL", "md5,md5", ciphers),
            ("SALT_POOL", "", "8, 16, 32, 64"),
            ("SALT_POOL", "12", "8, 16, 32, 64"),
            ("USER_KEY_CACHE_SECONDS", "", "0 to 3600"),
            ("USER_KEY_CACHE_SECONDS", "-1", "0 to 3600"),
            ("USER_KEY_CACHE_SECONDS", "1m", "0 to 3600"),
            ("USER_KEY_CACHE_SECONDS", "3601", "0 to 3600"),
        ] {
            let message = with(name, value).unwrap_err().to_string();
            assert!(message.starts_with(name), "{message}");
            assert!(message.contains(expected), "{message}");
        }
    }
}
