//! A client for one service and API key.

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderValue, Uri};
use tokio::sync::Mutex;

use crate::{Retries, http_client::HttpClient};

/// A client for one CaaS service and API key. Cheap to clone; clones share connections, and take turns
/// with uploads in parts.
#[derive(Clone)]
pub struct Client {
    pub(crate) http: HttpClient,
    /// Without a trailing slash.
    pub(crate) url: Arc<str>,
    pub(crate) api_key: HeaderValue,
    pub(crate) retries: Retries,
    /// The least time for a transfer, and its least speed in bytes per second.
    slowest: (Duration, u64),
    /// Held by an upload in parts: two at once would take twice the memory, and be no faster.
    pub(crate) in_parts: Arc<Mutex<()>>,
}

/// Ten minutes, and 16 KiB/s.
const SLOWEST: (Duration, u64) = (Duration::from_secs(600), 16 << 10);

impl Client {
    /// Creates a client for the service at this URL (`https://…`, or `http://…` on the same
    /// machine). Sends nothing yet.
    ///
    /// # Errors
    /// See [`InvalidClient`].
    pub fn new(url: &str, api_key: &str) -> Result<Self, InvalidClient> {
        let parsed: Uri = url.parse().map_err(|_| InvalidClient::Url)?;
        if !is_private(&parsed) || parsed.query().is_some() {
            return Err(InvalidClient::Url);
        }
        let mut api_key = HeaderValue::from_str(api_key).map_err(|_| InvalidClient::ApiKey)?;
        api_key.set_sensitive(true);
        Ok(Self {
            http: HttpClient::new().map_err(|_| InvalidClient::NoRootCertificates)?,
            url: url.trim_end_matches('/').into(),
            api_key,
            retries: Retries::default(),
            slowest: SLOWEST,
            in_parts: Arc::default(),
        })
    }

    /// Replaces the default retries.
    #[must_use]
    pub fn with_retries(mut self, retries: Retries) -> Self {
        self.retries = retries;
        self
    }

    /// Limits the time of every transfer, with all its retries, to `time` and what its length takes at
    /// `bytes_per_second`: by default ten minutes and 16 KiB/s. The limit also holds for each attempt
    /// to send a part.
    #[must_use]
    pub fn with_slowest(mut self, time: Duration, bytes_per_second: u64) -> Self {
        self.slowest = (time, bytes_per_second.max(1));
        self
    }

    /// How long a transfer of `len` bytes may take.
    pub(crate) fn time_limit(&self, len: u64) -> Duration {
        let (time, bytes_per_second) = self.slowest;
        time.saturating_add(Duration::from_secs(len / bytes_per_second))
    }
}

/// Whether nobody on the network can read what is sent to this URL.
pub(crate) fn is_private(url: &Uri) -> bool {
    match (url.scheme_str(), url.host()) {
        (Some("https"), Some(_)) => true,
        (Some("http"), Some(host)) => matches!(host, "localhost" | "127.0.0.1" | "[::1]"),
        _ => false,
    }
}

/// Omits the API key.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("url", &self.url)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

/// Why a client cannot be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClient {
    /// The URL is not absolute, not of `https` (or of `http` on this machine), or has a query.
    #[error("the service's URL must be https://, or http:// on this machine, without a query")]
    Url,
    /// The API key is not a valid header value.
    #[error("an API key must consist of visible ASCII characters")]
    ApiKey,
    /// There are no root certificates to verify servers with.
    #[error("the system has no root certificates; set SSL_CERT_FILE to a file that has some")]
    NoRootCertificates,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_keys_are_checked() {
        for url in [
            "http://localhost:5000",
            "http://127.0.0.1:5000/",
            "http://[::1]:5000",
            "https://a.example/Prod/",
        ] {
            let client = Client::new(url, "CANARY-key").unwrap();
            assert!(!client.url.ends_with('/'));
            assert!(!format!("{client:?}").contains("CANARY"));
        }
        for url in [
            "",
            "localhost:5000",
            "/api",
            "ftp://a.example",
            "https://a/?b",
            "http://a.example",
            "http://localhost.a.example",
        ] {
            let refused = Client::new(url, "key").err();
            assert_eq!(refused, Some(InvalidClient::Url), "{url}");
        }
        let refused = Client::new("http://localhost", "a\nb").err();
        assert_eq!(refused, Some(InvalidClient::ApiKey));
    }
}
