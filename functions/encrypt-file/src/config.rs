//! The function's configuration.

use caas_clients::ApiKeySettings;
use caas_http::{AllowedOrigins, HttpConfig};
use caas_settings::{InvalidSetting, Settings};

/// The function's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Limits and origins.
    pub http: HttpConfig,
    /// API keys.
    pub api_keys: ApiKeySettings,
    /// `PUBLIC_ENCRYPT_FILE`: whether `/encrypt_file` and `/decrypt_file` need no key. `false` by
    /// default.
    pub public: bool,
    /// `STORAGE_ORIGINS`: where presigned requests go, so that the page may send them. None by default.
    pub storage_origins: AllowedOrigins,
    /// `CAAS_URL`: where the service is. None by default: API Gateway says it with each request.
    pub url: Option<String>,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// A variable does not parse.
    pub fn read(settings: &Settings) -> Result<Self, InvalidSetting> {
        let public = settings.parse("PUBLIC_ENCRYPT_FILE", false);
        let public =
            public.map_err(|_| InvalidSetting::new("PUBLIC_ENCRYPT_FILE", "not true or false"))?;
        Ok(Self {
            storage_origins: settings.parse("STORAGE_ORIGINS", AllowedOrigins::default())?,
            url: settings.get("CAAS_URL"),
            http: HttpConfig::read(settings)?,
            api_keys: ApiKeySettings::read(settings)?,
            public,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_routes_are_open_only_on_request() {
        let read = |value| Config::read(&Settings::from([("PUBLIC_ENCRYPT_FILE", value)]));
        assert!(read("true").unwrap().public);
        for closed in ["false", ""] {
            assert!(!read(closed).unwrap().public);
        }
        let message = read("yes").unwrap_err().to_string();
        assert_eq!(message, "PUBLIC_ENCRYPT_FILE: not true or false");
    }
}
