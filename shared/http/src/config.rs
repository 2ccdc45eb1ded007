//! What the environment says about the HTTP edge.

use crate::{ApiKeys, Edge, InvalidApiKeys, InvalidOrigin};

/// The body limit where none is configured: what fits Lambda's 6 MB once it is base64.
const DEFAULT_MAX_BODY_BYTES: u64 = 4_500_000;

/// The configuration that every function with routes has.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// `API_KEYS`: who may call. Empty by default: nobody.
    pub api_keys: ApiKeys,
    /// `MAX_BODY_BYTES`: the longest body of a request, 4,500,000 bytes by default.
    pub max_body_bytes: u64,
    /// `ALLOWED_ORIGINS`: what surrounds the routes.
    pub edge: Edge,
}

impl HttpConfig {
    /// Reads the configuration from variables, where `var` gives the value of one.
    ///
    /// # Errors
    /// A value that cannot be read; the message says which and what it should be.
    pub fn read(var: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidHttpConfig> {
        let text = |name| var(name).unwrap_or_default();
        Ok(Self {
            api_keys: text("API_KEYS").parse()?,
            max_body_bytes: match text("MAX_BODY_BYTES").as_str() {
                "" => DEFAULT_MAX_BODY_BYTES,
                bytes => bytes.parse().map_err(|_| InvalidHttpConfig::MaxBodyBytes)?,
            },
            edge: Edge {
                allowed_origins: text("ALLOWED_ORIGINS").parse()?,
            },
        })
    }
}

/// A variable that cannot be read.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum InvalidHttpConfig {
    /// `API_KEYS`.
    #[error(transparent)]
    ApiKeys(#[from] InvalidApiKeys),
    /// `ALLOWED_ORIGINS`.
    #[error(transparent)]
    Origins(#[from] InvalidOrigin),
    /// `MAX_BODY_BYTES`.
    #[error("MAX_BODY_BYTES is not a whole number of bytes")]
    MaxBodyBytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, value: &'static str) -> Result<HttpConfig, InvalidHttpConfig> {
        HttpConfig::read(|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn the_defaults_let_nobody_in() {
        let config = HttpConfig::read(|_| None).unwrap();
        assert_eq!(config.max_body_bytes, 4_500_000);
        assert!(
            config
                .api_keys
                .authenticate(&http::HeaderMap::new())
                .is_err()
        );
    }

    #[test]
    fn values_are_read_or_named() {
        assert_eq!(read("MAX_BODY_BYTES", "5").unwrap().max_body_bytes, 5);
        for (name, value) in [
            ("API_KEYS", "acme"),
            ("MAX_BODY_BYTES", "4 MB"),
            ("ALLOWED_ORIGINS", "*"),
        ] {
            let message = read(name, value).unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
    }
}
