//! The function's configuration.

use std::time::Duration;

use caas_clients::ApiKeySettings;
use caas_http::HttpConfig;
use caas_inbox::InboxSettings;
use caas_settings::{InvalidSetting, Settings};
use caas_vault::VaultSettings;

/// How many days S3 keeps an incomplete upload in parts, by default.
pub const DEFAULT_UPLOAD_DAYS: u32 = 7;

const MAX_UPLOAD_DAYS: u32 = 365;

/// The function's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Limits and origins.
    pub http: HttpConfig,
    /// API keys.
    pub api_keys: ApiKeySettings,
    /// The vault.
    pub vault: VaultSettings,
    /// The inbox, if there is one.
    pub inbox: Option<InboxSettings>,
    /// `UPLOAD_DAYS`, 1 to 365, 7 by default: how long an upload in parts lasts, as in the
    /// lifecycle rule of the vault's bucket.
    pub upload_lifetime: Duration,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// A variable is not set or does not parse.
    pub fn read(settings: &Settings) -> Result<Self, InvalidSetting> {
        let vault = VaultSettings::read(settings)?;
        let upload_days = settings.number(UPLOAD_DAYS, DEFAULT_UPLOAD_DAYS.into())?;
        let upload_days = u32::try_from(upload_days).ok();
        let upload_days = upload_days.filter(|days| (1..=MAX_UPLOAD_DAYS).contains(days));
        let upload_days = upload_days.ok_or_else(|| {
            let reason = format!("not a number of days from 1 to {MAX_UPLOAD_DAYS}");
            InvalidSetting::new(UPLOAD_DAYS, reason)
        })?;
        Ok(Self {
            http: HttpConfig::read(settings)?,
            api_keys: ApiKeySettings::read(settings)?,
            inbox: InboxSettings::read(settings, &vault.bucket)?,
            vault,
            upload_lifetime: DAY * upload_days,
        })
    }
}

const UPLOAD_DAYS: &str = "UPLOAD_DAYS";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_live_for_days() {
        let read = |days| {
            let settings = [
                ("VAULT_BUCKET", "vault"),
                ("FILE_KEY_ID", "key"),
                ("UPLOAD_DAYS", days),
            ];
            Config::read(&Settings::from(settings))
        };
        for (days, lifetime) in [("", 7 * DAY), ("1", DAY), ("365", 365 * DAY)] {
            assert_eq!(read(days).unwrap().upload_lifetime, lifetime, "{days:?}");
        }
        for days in ["0", "366", "4294967297"] {
            let message = read(days).unwrap_err().to_string();
            assert_eq!(message, "UPLOAD_DAYS: not a number of days from 1 to 365");
        }
    }
}
