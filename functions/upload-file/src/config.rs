//! The function's configuration.

use caas_http::HttpConfig;
use caas_inbox::InboxSettings;
use caas_settings::{InvalidSetting, Settings};
use caas_vault::VaultSettings;

/// The function's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// API keys, limits and origins.
    pub http: HttpConfig,
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
            inbox: InboxSettings::read(settings, &vault.bucket)?,
            vault,
        })
    }
}
