//! The function's configuration.

use caas_clients::ApiKeySettings;
use caas_http::HttpConfig;
use caas_inbox::InboxSettings;
use caas_settings::{InvalidSetting, Settings};
use caas_vault::VaultSettings;

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
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// A variable is not set or does not parse.
    pub fn read(settings: &Settings) -> Result<Self, InvalidSetting> {
        let vault = VaultSettings::read(settings)?;
        Ok(Self {
            http: HttpConfig::read(settings)?,
            api_keys: ApiKeySettings::read(settings)?,
            inbox: InboxSettings::read(settings, &vault.bucket)?,
            vault,
        })
    }
}
