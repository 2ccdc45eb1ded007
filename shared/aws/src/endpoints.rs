//! Endpoints other than AWS's own, and the proxy before AWS's own.

use std::net::{Ipv4Addr, Ipv6Addr};

use aws_smithy_http_client::proxy::ProxyConfig;
use caas_settings::{InvalidSetting, Settings};
use http::Uri;

const GENERAL: &str = "AWS_ENDPOINT_URL";

const ALLOW_HTTP: &str = "ALLOW_HTTP_ENDPOINTS";

/// The endpoint in the variable `name`, or else in the general one. An empty value means AWS's own.
///
/// # Errors
/// It is not a URL, or it is `http://` on another machine without `ALLOW_HTTP_ENDPOINTS`.
pub(crate) fn endpoint(
    settings: &Settings,
    name: &'static str,
) -> Result<Option<String>, InvalidSetting> {
    let url = settings.parse_strict(name, settings.get(GENERAL).unwrap_or_default())?;
    if url.is_empty() {
        return Ok(None);
    }
    let allow_http = settings
        .parse(ALLOW_HTTP, false)
        .map_err(|_| InvalidSetting::new(ALLOW_HTTP, "not true or false"))?;
    let uri = url.parse::<Uri>().ok();
    let parts = uri
        .as_ref()
        .and_then(|uri| uri.scheme_str().zip(uri.host()));
    let reason = match parts {
        Some(("https", _)) => return Ok(Some(url)),
        Some(("http", host)) if allow_http || is_loopback(host) => return Ok(Some(url)),
        Some(("http", _)) => {
            "http:// would send content and keys in clear to another machine; use https://, or set \
             ALLOW_HTTP_ENDPOINTS=true"
        }
        _ => "not the URL of an endpoint",
    };
    Err(InvalidSetting::new(name, reason))
}

/// The proxy for `https://`, which sees names of hosts and no content.
///
/// # Errors
/// It is not a URL.
pub(crate) fn proxy(settings: &Settings) -> Result<Option<ProxyConfig>, InvalidSetting> {
    let one_of = |names: [&'static str; 2]| {
        let mut found = names.into_iter().map(|name| (name, settings.get(name)));
        found.find_map(|(name, value)| Some((name, value?)))
    };
    let url = one_of(["https_proxy", "HTTPS_PROXY"]);
    let Some((name, mut url)) = url.or_else(|| one_of(["all_proxy", "ALL_PROXY"])) else {
        return Ok(None);
    };
    if !url.contains("://") {
        url.insert_str(0, "http://");
    }
    let proxy = ProxyConfig::https(url).map_err(|_| InvalidSetting::new(name, "not a URL"))?;
    Ok(Some(match one_of(["no_proxy", "NO_PROXY"]) {
        Some((_, hosts)) => proxy.no_proxy(hosts),
        None => proxy,
    }))
}

fn is_loopback(host: &str) -> bool {
    let v6 = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || v6.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(settings: &Settings) -> Result<[Option<String>; 2], String> {
        let read = |name| endpoint(settings, name).map_err(|error| error.to_string());
        Ok([read("AWS_ENDPOINT_URL_S3")?, read("AWS_ENDPOINT_URL_KMS")?])
    }

    #[test]
    fn endpoints_are_the_standard_variables() {
        let some = |url: &str| Some(url.to_owned());
        for (settings, expected) in [
            (Settings::from([]), [None, None]),
            (Settings::from([("AWS_ENDPOINT_URL", "")]), [None, None]),
            (
                Settings::from([
                    ("AWS_ENDPOINT_URL", "https://a"),
                    ("AWS_ENDPOINT_URL_S3", "https://b"),
                ]),
                [some("https://b"), some("https://a")],
            ),
            (
                Settings::from([
                    ("AWS_ENDPOINT_URL", "https://a"),
                    ("AWS_ENDPOINT_URL_S3", ""),
                ]),
                [None, some("https://a")],
            ),
        ] {
            assert_eq!(endpoints(&settings), Ok(expected));
        }
    }

    #[test]
    fn http_is_for_loopback_unless_a_setting_allows_it() {
        let read = |url, allow| {
            let of = [("AWS_ENDPOINT_URL", url), ("ALLOW_HTTP_ENDPOINTS", allow)];
            endpoints(&Settings::from(of))
        };
        for url in [
            "https://a.example",
            "http://localhost:5001",
            "http://127.0.0.1:5001",
            "http://127.9.8.7",
            "http://[::1]:5001",
        ] {
            assert!(read(url, "").is_ok(), "{url}");
        }
        for url in [
            "http://a.example",
            "http://10.0.0.1:4566",
            "http://localhost.a.example",
            "http://127.0.0.1.a.example",
            "http://127.0.0.1@a.example",
            "http://[::2]",
        ] {
            let refused = read(url, "").unwrap_err();
            assert!(
                refused.contains("set ALLOW_HTTP_ENDPOINTS=true"),
                "{refused}"
            );
            assert!(!refused.contains("example"), "{refused}");
            assert!(read(url, "false").is_err());
            assert!(read(url, "true").is_ok(), "{url}");
        }
        for url in ["a.example", "ftp://a.example", "/", "http://"] {
            assert!(read(url, "true").is_err(), "{url}");
        }
        let unclear = read("https://a.example", "yes").unwrap_err();
        assert_eq!(unclear, "ALLOW_HTTP_ENDPOINTS: not true or false");
    }

    #[test]
    fn a_proxy_is_read_and_its_password_not_repeated() {
        let read = |name, url| proxy(&Settings::from([(name, url)]));
        for name in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            assert!(read(name, "http://u:p@proxy:3128").unwrap().is_some());
            assert!(read(name, "proxy:3128").unwrap().is_some());
            assert!(read(name, "").unwrap().is_none());
            let refused = read(name, "http://u:CANARY @proxy")
                .unwrap_err()
                .to_string();
            assert_eq!(refused, format!("{name}: not a URL"));
        }
        assert!(read("HTTP_PROXY", "http://proxy").unwrap().is_none());
    }
}
