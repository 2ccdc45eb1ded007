//! The settings of API keys.

use caas_aws::{Clients, ClientsConfig};
use caas_settings::{InvalidSetting, Settings};

use crate::{ApiKeys, ConfiguredKeys};

/// Which API keys are accepted.
#[derive(Clone, Debug)]
pub struct ApiKeySettings {
    /// `API_KEYS`: keys with every scope. None by default.
    pub configured: ConfiguredKeys,
    /// `CLIENTS_BUCKET`: the bucket of the registry. None by default.
    pub bucket: Option<String>,
}

impl ApiKeySettings {
    /// Reads the settings.
    ///
    /// # Errors
    /// A variable does not parse.
    pub fn read(settings: &Settings) -> Result<Self, InvalidSetting> {
        Ok(Self {
            configured: settings.parse("API_KEYS", ConfiguredKeys::default())?,
            bucket: settings.get("CLIENTS_BUCKET"),
        })
    }

    /// The API keys, with their own connection if there is a registry.
    pub async fn connect(&self, aws: ClientsConfig) -> ApiKeys {
        match self.bucket {
            None => ApiKeys::new(self.configured.clone(), None),
            Some(_) => self.api_keys(&aws.connect().await),
        }
    }

    /// The API keys, with the registry read through these clients.
    pub fn api_keys(&self, clients: &Clients) -> ApiKeys {
        let registry = self.bucket.clone();
        let registry = registry.map(|bucket| (clients.s3.clone(), bucket));
        ApiKeys::new(self.configured.clone(), registry)
    }
}
