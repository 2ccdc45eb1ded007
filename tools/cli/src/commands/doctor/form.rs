//! Multipart forms (RFC 7578).

use super::{CONTENT, FILE};

const BOUNDARY: &str = "caas-doctor-9b1f6f0c4d";

/// The content type of [`form`].
pub(super) const CONTENT_TYPE: &str = "multipart/form-data; boundary=caas-doctor-9b1f6f0c4d";

/// A form with a file, and perhaps a key.
pub(super) fn form(content: &[u8], key: Option<&str>) -> Vec<u8> {
    let mut form = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{FILE}\"\r\n\
         Content-Type: text/plain\r\n\r\n"
    )
    .into_bytes();
    form.extend_from_slice(content);
    if let Some(key) = key {
        let part = format!(
            "\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\n{key}"
        );
        form.extend_from_slice(part.as_bytes());
    }
    form.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    form
}

/// A form with a throw-away file.
pub(super) fn throw_away() -> Vec<u8> {
    form(CONTENT.as_bytes(), None)
}
