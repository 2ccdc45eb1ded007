//! The function's configuration.

use caas_aws::Clients;
use caas_inbox::{Inbox, InboxSettings};
use caas_settings::{InvalidSetting, Settings};
use caas_vault::VaultSettings;

/// The function's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The vault.
    pub vault: VaultSettings,
    /// The inbox.
    pub inbox: InboxSettings,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// A variable is not set or does not parse.
    pub fn read(settings: &Settings) -> Result<Self, InvalidSetting> {
        let vault = VaultSettings::read(settings)?;
        let inbox = InboxSettings::required(settings, &vault.bucket)?;
        Ok(Self { vault, inbox })
    }

    /// The inbox, through these clients.
    pub fn inbox(self, clients: &Clients) -> Inbox {
        Inbox::new(clients.s3.clone(), self.vault.vault(clients), self.inbox)
    }
}
