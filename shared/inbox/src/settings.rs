//! The settings of the inbox.

use std::time::Duration;

use caas_settings::{InvalidSetting, Settings};
use caas_vault::MAX_PUT_BYTES;

/// How often the sweep runs, and the age from which it seals an object. Younger objects are left to
/// their events.
pub const SWEEP_PERIOD: Duration = Duration::from_secs(5 * 60);

/// No run takes longer: Lambda stops it after 15 minutes.
const LONGEST_RUN: Duration = Duration::from_secs(60 * 60);

/// Where files are dropped, and which of them are sealed.
#[derive(Clone, Debug)]
pub struct InboxSettings {
    /// `INBOX_BUCKET`: the bucket where files are dropped. It must have versioning.
    pub bucket: String,
    /// `INBOX_MAX_BYTES`: longer objects stay in the inbox. 5,000,000,000 by default, which fits
    /// Lambda's 15 minutes with room to spare.
    pub max_bytes: u64,
    /// `SWEEP_AGE_SECONDS`: how old an object must be for the sweep to seal it. 300 by default.
    pub sweep_age: Duration,
    /// Longer than any run takes: after it, a run's multipart upload is abandoned, and a delete
    /// marker in the inbox is no longer needed. One hour.
    pub longest_run: Duration,
}

impl InboxSettings {
    /// Reads the settings; `None` if there is no inbox.
    ///
    /// # Errors
    /// A variable does not parse, or inbox and vault are the same bucket: files would then be
    /// sealed over their own plaintext, and sealed files would be sealed again.
    pub fn read(settings: &Settings, vault_bucket: &str) -> Result<Option<Self>, InvalidSetting> {
        let max_bytes = settings.number("INBOX_MAX_BYTES", MAX_PUT_BYTES)?;
        let Some(bucket) = settings.get(INBOX_BUCKET) else {
            return Ok(None);
        };
        if bucket == vault_bucket {
            let reason = "the same bucket as VAULT_BUCKET";
            return Err(InvalidSetting::new(INBOX_BUCKET, reason));
        }
        let sweep_age = settings.number("SWEEP_AGE_SECONDS", SWEEP_PERIOD.as_secs())?;
        Ok(Some(Self {
            bucket,
            max_bytes,
            sweep_age: Duration::from_secs(sweep_age),
            longest_run: LONGEST_RUN,
        }))
    }

    /// Reads the settings of a program that needs an inbox.
    ///
    /// # Errors
    /// As [`read`](Self::read), or there is no inbox.
    pub fn required(settings: &Settings, vault_bucket: &str) -> Result<Self, InvalidSetting> {
        Self::read(settings, vault_bucket)?.ok_or(InvalidSetting::new(INBOX_BUCKET, "not set"))
    }
}

const INBOX_BUCKET: &str = "INBOX_BUCKET";

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Result<Option<InboxSettings>, InvalidSetting> {
        let settings = Settings::from([(INBOX_BUCKET, "inbox"), (name, value)]);
        InboxSettings::read(&settings, "vault")
    }

    #[test]
    fn unset_values_have_defaults() {
        for (name, value) in [("", ""), ("INBOX_MAX_BYTES", ""), ("SWEEP_AGE_SECONDS", "")] {
            let settings = with(name, value).unwrap().unwrap();
            assert_eq!(settings.bucket, "inbox");
            assert_eq!(settings.max_bytes, 5_000_000_000);
            assert_eq!(settings.sweep_age, Duration::from_secs(300));
        }
        assert!(with(INBOX_BUCKET, "").unwrap().is_none());
        let missing = InboxSettings::required(&Settings::from([]), "vault").unwrap_err();
        assert_eq!(missing.to_string(), "INBOX_BUCKET: not set");
    }

    #[test]
    fn the_vault_is_no_inbox() {
        let same = with(INBOX_BUCKET, "vault").unwrap_err();
        assert_eq!(
            same.to_string(),
            "INBOX_BUCKET: the same bucket as VAULT_BUCKET"
        );
    }

    #[test]
    fn numbers_are_numbers() {
        let settings = with("INBOX_MAX_BYTES", "7").unwrap().unwrap();
        assert_eq!(settings.max_bytes, 7);
        for name in ["INBOX_MAX_BYTES", "SWEEP_AGE_SECONDS"] {
            for value in ["5GB", "-1", "1e9"] {
                let message = with(name, value).unwrap_err().to_string();
                assert_eq!(message, format!("{name}: not a whole number"));
            }
        }
    }
}
