//! The settings of the inbox.

use std::time::Duration;

use caas_settings::{InvalidSetting, Settings};
use caas_vault::MAX_PUT_BYTES;

/// How often the sweep runs, and the age from which it seals an object. Younger objects are left to
/// their events.
pub const SWEEP_PERIOD: Duration = Duration::from_secs(5 * 60);

/// A sweep is over before the next one begins.
const SWEEP_TIME: Duration = Duration::from_secs(4 * 60);

/// No run takes longer, nor do a `DELETE` and three runs after it, each of which began before the
/// last one ended: Lambda stops a run after 15 minutes. A presigned PUT may take longer, because S3
/// does not limit it.
const LONGEST_RUN: Duration = Duration::from_secs(60 * 60);

/// Where files are dropped, and which of them are sealed.
#[derive(Clone, Debug)]
pub struct InboxSettings {
    /// `INBOX_BUCKET`: the bucket where files are dropped. It must have versioning.
    pub bucket: String,
    /// `INBOX_MAX_BYTES`: longer objects stay in the inbox. 5,000,000,000 by default, which fits
    /// Lambda's 15 minutes with room to spare.
    pub max_bytes: u64,
}

/// What a sweep does, and when.
#[derive(Clone, Debug)]
pub struct SweepSettings {
    /// `SWEEP_AGE_SECONDS`: how old an object must be for the sweep to seal it. 300 by default.
    pub age: Duration,
    /// Longer than any run takes: after it, a run's multipart upload is abandoned, and a delete
    /// marker in the inbox is no longer needed. One hour.
    pub longest_run: Duration,
    /// After this time, a sweep starts no further key. Four minutes.
    pub time: Duration,
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
        Ok(Some(Self { bucket, max_bytes }))
    }

    /// Reads the settings of a program that needs an inbox.
    ///
    /// # Errors
    /// As [`read`](Self::read), or there is no inbox.
    pub fn required(settings: &Settings, vault_bucket: &str) -> Result<Self, InvalidSetting> {
        Self::read(settings, vault_bucket)?.ok_or(InvalidSetting::new(INBOX_BUCKET, "not set"))
    }
}

impl SweepSettings {
    /// Reads the settings.
    ///
    /// # Errors
    /// A variable does not parse.
    pub fn read(settings: &Settings) -> Result<Self, InvalidSetting> {
        let age = settings.number("SWEEP_AGE_SECONDS", SWEEP_PERIOD.as_secs())?;
        Ok(Self {
            age: Duration::from_secs(age),
            longest_run: LONGEST_RUN,
            time: SWEEP_TIME,
        })
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
        for name in ["", "INBOX_MAX_BYTES", "SWEEP_AGE_SECONDS"] {
            let settings = with(name, "").unwrap().unwrap();
            assert_eq!(settings.bucket, "inbox");
            assert_eq!(settings.max_bytes, 5_000_000_000);
            let sweep = SweepSettings::read(&Settings::from([(name, "")])).unwrap();
            let seconds = [sweep.age, sweep.time, sweep.longest_run].map(|each| each.as_secs());
            assert_eq!(seconds, [300, 240, 3600]);
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
        let sweep_with =
            |value| SweepSettings::read(&Settings::from([("SWEEP_AGE_SECONDS", value)]));
        assert_eq!(sweep_with("7").unwrap().age, Duration::from_secs(7));
        for value in ["5GB", "-1", "1e9"] {
            let message = with("INBOX_MAX_BYTES", value).unwrap_err().to_string();
            assert_eq!(message, "INBOX_MAX_BYTES: not a whole number");
            let message = sweep_with(value).unwrap_err().to_string();
            assert_eq!(message, "SWEEP_AGE_SECONDS: not a whole number");
            // Only the function that sweeps reads the age.
            assert!(with("SWEEP_AGE_SECONDS", value).is_ok());
        }
    }
}
