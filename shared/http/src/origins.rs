//! Which web pages may call from a browser.

use std::str::FromStr;

use http::{HeaderValue, Uri};

/// Origins such as `https://app.example.com`, separated by commas. The default is empty: no page of
/// another origin may call.
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins(Vec<HeaderValue>);

impl AllowedOrigins {
    /// The origins, such as `https://app.example.com`.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|origin| origin.to_str().ok())
    }

    pub(crate) fn to_vec(&self) -> Vec<HeaderValue> {
        self.0.clone()
    }
}

impl FromStr for AllowedOrigins {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let entries = text
            .split(',')
            .map(str::trim)
            .enumerate()
            .filter(|(_, e)| !e.is_empty());
        let origin = |(index, entry): (usize, &str)| {
            let invalid = InvalidOrigin {
                position: index + 1,
            };
            let uri: Uri = entry.parse().map_err(|_| invalid)?;
            let authority = uri.authority().map_or("", http::uri::Authority::as_str);
            let serialized = format!("{}://{authority}", uri.scheme_str().unwrap_or_default());
            let default_port = match uri.scheme_str() {
                Some("https") => ":443",
                _ => ":80",
            };
            // As browsers send it (RFC 6454 §6.2): no path, user or default port, lower case.
            let exact = serialized == entry
                && !authority.contains('@')
                && !authority.ends_with(default_port)
                && !entry.contains(|c: char| c.is_ascii_uppercase() || c == '*')
                && matches!(uri.scheme_str(), Some("http" | "https"));
            exact
                .then(|| HeaderValue::from_str(entry))
                .and_then(Result::ok)
                .ok_or(invalid)
        };
        entries.map(origin).collect::<Result<_, _>>().map(Self)
    }
}

/// The configured origins cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "entry {position} is not an origin as browsers send it, such as https://app.example.com: lower \
     case, without path, trailing slash or the default port"
)]
pub struct InvalidOrigin {
    /// The position of the entry, from 1.
    pub position: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_origins_and_nothing_else() {
        let two: AllowedOrigins = "https://a.example, http://localhost:3000,".parse().unwrap();
        assert_eq!(two.to_vec(), ["https://a.example", "http://localhost:3000"]);
        for bad in [
            "*",
            "https://*",
            "https://*.example",
            "null",
            "a.example",
            "https://a/",
            "https://A.example",
            "ftp://a",
            "https://u@a",
            "https://a:443",
        ] {
            assert!(bad.parse::<AllowedOrigins>().is_err(), "{bad}");
        }
    }
}
