//! Multipart forms, byte by byte.

/// The boundary of every form here.
pub const BOUNDARY: &str = "multipart-boundary";

/// A part of a form: its header lines and its content.
pub type Part<'a> = (&'a str, &'a [u8]);

/// A form of these parts, with every boundary.
pub fn form(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (headers, content) in parts {
        body.extend_from_slice(format!("--{BOUNDARY}\r\n{headers}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}
