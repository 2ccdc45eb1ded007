//! The settings of the HTTP edge.

use caas_audit::Trail;
use caas_settings::{InvalidSetting, Settings};

use crate::Edge;

/// The body limit where none is configured: what fits Lambda's 6 MB once it is base64.
const DEFAULT_MAX_BODY_BYTES: u64 = 4_500_000;

/// The settings that every function with routes has.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// `MAX_BODY_BYTES`: the longest body of a request, 4,500,000 bytes by default.
    pub max_body_bytes: u64,
    /// `ALLOWED_ORIGINS`: what surrounds the routes.
    pub edge: Edge,
}

impl HttpConfig {
    /// Reads the settings.
    ///
    /// # Errors
    /// A variable does not parse.
    pub fn read(settings: &Settings) -> Result<Self, InvalidSetting> {
        Ok(Self {
            max_body_bytes: settings.number("MAX_BODY_BYTES", DEFAULT_MAX_BODY_BYTES)?,
            edge: Edge {
                allowed_origins: settings.parse("ALLOWED_ORIGINS", Default::default())?,
                trail: Trail::default(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_limit_suits_lambda() {
        let config = HttpConfig::read(&Settings::from([])).unwrap();
        assert_eq!(config.max_body_bytes, 4_500_000);
    }

    #[test]
    fn values_are_read_or_named() {
        let read = |name, value| HttpConfig::read(&Settings::from([(name, value)]));
        assert_eq!(read("MAX_BODY_BYTES", "5").unwrap().max_body_bytes, 5);
        for (name, value) in [("MAX_BODY_BYTES", "4 MB"), ("ALLOWED_ORIGINS", "*")] {
            let message = read(name, value).unwrap_err().to_string();
            assert!(message.starts_with(name), "{message}");
        }
    }
}
