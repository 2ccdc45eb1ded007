//! The settings of a vault.

use caas_aws::{Clients, KmsKey};
use caas_settings::{InvalidSetting, Settings};

use crate::Vault;

/// Where the vault is and which KMS key wraps its data keys.
#[derive(Clone, Debug)]
pub struct VaultSettings {
    /// `VAULT_BUCKET`: the bucket of sealed files.
    pub bucket: String,
    /// `FILE_KEY_ID`: the KMS key that wraps their data keys, as id, ARN or alias.
    pub key_id: String,
}

impl VaultSettings {
    /// Reads the settings.
    ///
    /// # Errors
    /// A variable is not set.
    pub fn read(settings: &Settings) -> Result<Self, InvalidSetting> {
        Ok(Self {
            bucket: settings.required("VAULT_BUCKET")?,
            key_id: settings.required("FILE_KEY_ID")?,
        })
    }

    /// The vault, through these clients.
    pub fn vault(&self, clients: &Clients) -> Vault {
        let key = KmsKey::new(clients.kms.clone(), &self.key_id);
        Vault::new(clients.s3.clone(), &self.bucket, key)
    }
}
