//! What the environment says.

use caas_http::{HttpConfig, InvalidHttpConfig};

/// The function's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// API keys, limits and origins.
    pub http: HttpConfig,
    /// `PUBLIC_ENCRYPT_FILE`: whether `/encrypt_file` and `/decrypt_file` need no key. `false` by
    /// default.
    pub public: bool,
}

impl Config {
    /// Reads the configuration from variables, where `var` gives the value of one.
    ///
    /// # Errors
    /// A value that cannot be read; the message says which and what it should be.
    pub fn read(var: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidConfig> {
        let public = match var("PUBLIC_ENCRYPT_FILE").as_deref() {
            Some("true") => true,
            None | Some("" | "false") => false,
            Some(_) => return Err(InvalidConfig::Public),
        };
        Ok(Self {
            http: HttpConfig::read(var)?,
            public,
        })
    }
}

/// A variable that cannot be read.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum InvalidConfig {
    /// One of the HTTP edge's.
    #[error(transparent)]
    Http(#[from] InvalidHttpConfig),
    /// `PUBLIC_ENCRYPT_FILE`.
    #[error("PUBLIC_ENCRYPT_FILE is neither 'true' nor 'false'")]
    Public,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_routes_are_open_only_on_request() {
        let read = |value: &'static str| {
            Config::read(move |name| (name == "PUBLIC_ENCRYPT_FILE").then(|| value.to_owned()))
        };
        assert!(read("true").unwrap().public);
        assert!(!read("false").unwrap().public);
        assert!(!Config::read(|_| None).unwrap().public);
        assert!(
            read("yes")
                .unwrap_err()
                .to_string()
                .contains("PUBLIC_ENCRYPT_FILE")
        );
    }
}
