//! The announced length of a body.

use http::{HeaderMap, header};

/// The value of `Content-Length` in bytes. The layers around a route hide the body's own hint.
pub(crate) fn announced_len(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}
