//! Headers in the query of a presigned request.
//!
//! Some SDKs put them there, and S3 takes `x-amz-*` parameters for headers. The signature covers the
//! whole query.

use http::{HeaderName, HeaderValue, request::Parts};
use percent_encoding::percent_decode_str;

/// Parameters of the signature itself, and those that S3 ignores: an SDK that presigns cannot know the
/// checksum.
const NOT_HEADERS: [&str; 9] = [
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

/// Adds the headers that stand in the query.
pub(super) fn add_headers(parts: &mut Parts) {
    for (name, value) in headers(parts.uri.query()) {
        let name = HeaderName::try_from(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value))
            && name.as_str().starts_with("x-amz-")
        {
            parts.headers.entry(name).or_insert(value);
        }
    }
}

/// The headers in the query of a presigned request, names in lower case; none of other requests.
pub(super) fn headers(query: Option<&str>) -> Vec<(String, String)> {
    let query = query.unwrap_or_default();
    if !query.contains("X-Amz-Signature=") {
        return Vec::new();
    }
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let pairs = pairs.filter_map(|(name, value)| {
        let value = percent_decode_str(value).decode_utf8().ok()?;
        Some((name.to_ascii_lowercase(), value.into_owned()))
    });
    pairs.filter(|(name, _)| is_header(name)).collect()
}

fn is_header(name: &str) -> bool {
    let ignored = name.starts_with("x-amz-checksum-") && name != "x-amz-checksum-mode";
    (name.starts_with("x-amz-") || name.starts_with("if-"))
        && !ignored
        && !NOT_HEADERS.contains(&name)
}
