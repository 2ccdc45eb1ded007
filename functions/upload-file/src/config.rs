//! What the environment says.

use caas_http::{HttpConfig, InvalidHttpConfig};

/// The function's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// API keys, limits and origins.
    pub http: HttpConfig,
    /// `VAULT_BUCKET`: the bucket of sealed files.
    pub vault_bucket: String,
    /// `FILE_KEY_ID`: the KMS key that wraps their data keys, as id, ARN or alias.
    pub file_key_id: String,
    /// `INBOX_BUCKET`: the bucket of files that are still to be sealed. None by default: there is no
    /// inbox.
    pub inbox_bucket: Option<String>,
    /// `INBOX_MAX_BYTES`: the longest file that is sealed from the inbox, 5,000,000,000 bytes by
    /// default.
    pub inbox_max_bytes: u64,
}

/// The longest file that may be uploaded. S3 takes 5 GiB in one request.
pub(crate) const MAX_FILE_BYTES: u64 = 5_000_000_000;

impl Config {
    /// Reads the configuration from variables, where `var` gives the value of one.
    ///
    /// # Errors
    /// A value that is missing or cannot be read; the message says which and what it should be.
    pub fn read(var: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidConfig> {
        let text = |name| var(name).filter(|value| !value.is_empty());
        let needed = |name| text(name).ok_or(InvalidConfig::Missing(name));
        let (vault_bucket, inbox_bucket) = (needed("VAULT_BUCKET")?, text("INBOX_BUCKET"));
        if inbox_bucket.as_ref() == Some(&vault_bucket) {
            return Err(InvalidConfig::InboxIsVault);
        }
        Ok(Self {
            inbox_max_bytes: match text("INBOX_MAX_BYTES") {
                None => MAX_FILE_BYTES,
                Some(bytes) => bytes.parse().map_err(|_| InvalidConfig::InboxMaxBytes)?,
            },
            file_key_id: needed("FILE_KEY_ID")?,
            http: HttpConfig::read(var)?,
            vault_bucket,
            inbox_bucket,
        })
    }
}

/// A variable that is missing or cannot be read.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum InvalidConfig {
    /// One of the HTTP edge's.
    #[error(transparent)]
    Http(#[from] InvalidHttpConfig),
    /// One that has no default.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// `INBOX_MAX_BYTES`.
    #[error("INBOX_MAX_BYTES is not a whole number of bytes")]
    InboxMaxBytes,
    /// Files would be sealed over their own plaintext.
    #[error("INBOX_BUCKET and VAULT_BUCKET are the same bucket")]
    InboxIsVault,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, InvalidConfig> {
        Config::read(|name| {
            let found = variables.iter().find(|variable| variable.0 == name);
            found.map(|variable| variable.1.to_owned())
        })
    }

    #[test]
    fn bucket_and_key_are_needed() {
        let (bucket, key) = (("VAULT_BUCKET", "vault"), ("FILE_KEY_ID", "alias/files"));
        let config = read(&[bucket, key]).unwrap();
        assert_eq!(
            (config.vault_bucket.as_str(), config.inbox_bucket),
            ("vault", None)
        );
        for (missing, variables) in [("FILE_KEY_ID", [bucket]), ("VAULT_BUCKET", [key])] {
            let message = read(&variables).unwrap_err().to_string();
            assert!(message.contains(missing), "{message}");
        }
        let empty = read(&[("VAULT_BUCKET", ""), key]);
        assert!(matches!(empty, Err(InvalidConfig::Missing("VAULT_BUCKET"))));
    }

    #[test]
    fn the_inbox_has_a_limit() {
        let read = |value| {
            let (bucket, key) = (("VAULT_BUCKET", "vault"), ("FILE_KEY_ID", "k"));
            read(&[bucket, key, ("INBOX_MAX_BYTES", value)])
        };
        assert_eq!(read("").unwrap().inbox_max_bytes, 5_000_000_000);
        assert_eq!(read("7").unwrap().inbox_max_bytes, 7);
        assert!(matches!(read("5 GB"), Err(InvalidConfig::InboxMaxBytes)));
    }

    #[test]
    fn inbox_and_vault_are_different_buckets() {
        let read = |inbox| {
            read(&[
                ("VAULT_BUCKET", "vault"),
                ("FILE_KEY_ID", "k"),
                ("INBOX_BUCKET", inbox),
            ])
        };
        assert_eq!(
            read("inbox").unwrap().inbox_bucket.as_deref(),
            Some("inbox")
        );
        assert!(matches!(read("vault"), Err(InvalidConfig::InboxIsVault)));
    }
}
