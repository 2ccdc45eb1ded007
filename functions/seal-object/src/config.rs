//! The function's configuration.

use caas_aws::Clients;
use caas_inbox::{Inbox, InboxSettings, SweepSettings};
use caas_settings::{InvalidSetting, Settings};
use caas_vault::VaultSettings;

/// The function's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The vault.
    pub vault: VaultSettings,
    /// The inbox.
    pub inbox: InboxSettings,
    /// The sweep.
    pub sweep: SweepSettings,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// A variable is not set or does not parse.
    pub fn read(settings: &Settings) -> Result<Self, InvalidSetting> {
        let vault = VaultSettings::read(settings)?;
        let inbox = InboxSettings::required(settings, &vault.bucket)?;
        let sweep = SweepSettings::read(settings)?;
        Ok(Self {
            vault,
            inbox,
            sweep,
        })
    }

    /// The inbox, through these clients.
    pub fn inbox(self, clients: &Clients) -> Inbox {
        let vault = self.vault.vault(clients);
        Inbox::new(clients.s3.clone(), vault, self.inbox, self.sweep)
    }
}
