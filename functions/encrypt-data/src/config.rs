//! The function's configuration.

use caas_clients::ApiKeySettings;
use caas_http::HttpConfig;
use caas_settings::{InvalidSetting, Settings};
use caas_users::UserSettings;

/// The function's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Limits and origins.
    pub http: HttpConfig,
    /// API keys.
    pub api_keys: ApiKeySettings,
    /// Users' keys.
    pub users: UserSettings,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// A variable is not set or does not parse.
    pub fn read(settings: &Settings) -> Result<Self, InvalidSetting> {
        Ok(Self {
            users: UserSettings::read(settings)?,
            http: HttpConfig::read(settings)?,
            api_keys: ApiKeySettings::read(settings)?,
        })
    }
}
