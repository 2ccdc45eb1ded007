//! What the environment says.

use std::time::Duration;

/// 5 GB, in the decimal sense: what fits Lambda's 15 minutes with room.
const DEFAULT_MAX_BYTES: u64 = 5_000_000_000;

/// A sweep leaves younger objects to their events.
const DEFAULT_SWEEP_AGE: Duration = Duration::from_secs(5 * 60);

/// No run takes longer: Lambda ends it after 15 minutes.
const LONGEST_RUN: Duration = Duration::from_secs(60 * 60);

/// The function's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// `INBOX_BUCKET`: the bucket where files are dropped. It must have versioning.
    pub inbox_bucket: String,
    /// `VAULT_BUCKET`: the bucket of sealed files. It must have versioning.
    pub vault_bucket: String,
    /// `FILE_KEY_ID`: the KMS key that wraps their data keys, as id, ARN or alias.
    pub file_key_id: String,
    /// `INBOX_MAX_BYTES`: longer objects stay in the inbox. 5,000,000,000 by default.
    pub max_bytes: u64,
    /// `SWEEP_AGE_SECONDS`: how old an object must be for the sweep to seal it. 300 by default.
    pub sweep_age: Duration,
    /// Longer than any run takes: after it, a multipart upload that a run began is abandoned, and a
    /// delete marker in the inbox is of no more use. One hour.
    pub longest_run: Duration,
}

impl Config {
    /// Reads the configuration from variables, where `var` gives the value of one.
    ///
    /// # Errors
    /// A value that is missing or cannot be read; the message says which and what it should be.
    pub fn read(var: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidConfig> {
        let text = |name| var(name).filter(|value| !value.is_empty());
        let needed = |name| text(name).ok_or(InvalidConfig::Missing(name));
        let number = |name| match text(name).map(|value| value.parse::<u64>()) {
            None => Ok(None),
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => Err(InvalidConfig::NotANumber(name)),
        };
        let config = Self {
            inbox_bucket: needed("INBOX_BUCKET")?,
            vault_bucket: needed("VAULT_BUCKET")?,
            file_key_id: needed("FILE_KEY_ID")?,
            max_bytes: number("INBOX_MAX_BYTES")?.unwrap_or(DEFAULT_MAX_BYTES),
            sweep_age: number("SWEEP_AGE_SECONDS")?.map_or(DEFAULT_SWEEP_AGE, Duration::from_secs),
            longest_run: LONGEST_RUN,
        };
        if config.inbox_bucket == config.vault_bucket {
            return Err(InvalidConfig::InboxIsVault);
        }
        Ok(config)
    }
}

/// A variable that is missing or cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    /// One that has no default.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// One that counts something.
    #[error("{0} is not a number")]
    NotANumber(&'static str),
    /// Files would be sealed over their own plaintext, and sealed files would be sealed again.
    #[error("INBOX_BUCKET and VAULT_BUCKET are the same bucket")]
    InboxIsVault,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: [(&str, &str); 3] = [
        ("INBOX_BUCKET", "inbox"),
        ("VAULT_BUCKET", "vault"),
        ("FILE_KEY_ID", "alias/files"),
    ];

    fn read(variables: &[(&str, &str)]) -> Result<Config, InvalidConfig> {
        Config::read(|name| {
            let found = variables.iter().rev().find(|variable| variable.0 == name);
            found.map(|variable| variable.1.to_owned())
        })
    }

    fn with(name: &'static str, value: &'static str) -> Result<Config, InvalidConfig> {
        read(&[NEEDED[0], NEEDED[1], NEEDED[2], (name, value)])
    }

    #[test]
    fn buckets_and_key_are_needed() {
        let config = read(&NEEDED).unwrap();
        assert_eq!(config.max_bytes, 5_000_000_000);
        assert_eq!(config.sweep_age, Duration::from_secs(300));
        for (name, _) in NEEDED {
            assert_eq!(with(name, "").unwrap_err(), InvalidConfig::Missing(name));
        }
    }

    #[test]
    fn the_vault_is_no_inbox() {
        let same = with("INBOX_BUCKET", "vault");
        assert_eq!(same.unwrap_err(), InvalidConfig::InboxIsVault);
    }

    #[test]
    fn numbers_are_numbers() {
        assert_eq!(with("INBOX_MAX_BYTES", "7").unwrap().max_bytes, 7);
        for name in ["INBOX_MAX_BYTES", "SWEEP_AGE_SECONDS"] {
            for value in ["5GB", "-1", "1e9"] {
                let error = with(name, value).unwrap_err();
                assert_eq!(error, InvalidConfig::NotANumber(name));
            }
        }
    }
}
