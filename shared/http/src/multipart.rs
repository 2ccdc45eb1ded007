//! The parts of a multipart body (RFC 2046 §5.1.1), one after the other as they arrive.

use axum::body::Body;
use bytes::{Buf, BytesMut};
use http::header;
use http_body_util::BodyExt;
use httparse::{EMPTY_HEADER, Status};
use memchr::memmem;

/// Headers of one part in bytes at most, and what may precede the first part.
const MAX_PART_HEADERS: usize = 8 * 1024;

/// Headers of one part at most.
const MAX_HEADERS: usize = 32;

/// A body that is read part by part: the headers of each, then its content.
pub(crate) struct Multipart {
    body: Body,
    left: u64,
    buffer: BytesMut,
    delimiter: Vec<u8>,
    begun: bool,
}

/// The headers of a part that matter.
#[derive(Default)]
pub(crate) struct PartHeaders {
    pub(crate) disposition: Option<String>,
    pub(crate) content_type: Option<String>,
}

/// Why a body is not read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MultipartError {
    /// Broken, or it ends before its last boundary.
    Malformed,
    /// The headers of one part exceed their limit.
    HeadersTooLarge,
    /// The body exceeds its limit.
    BodyTooLarge,
}

impl Multipart {
    /// The body, of which at most `limit` bytes are read.
    pub(crate) fn new(body: Body, boundary: &str, limit: u64) -> Self {
        Self {
            body,
            left: limit,
            // The first boundary may be at the very beginning.
            buffer: BytesMut::from("\r\n"),
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            begun: false,
        }
    }

    /// The headers of the next part, whose content is next; `None` after the last.
    pub(crate) async fn next_part(&mut self) -> Result<Option<PartHeaders>, MultipartError> {
        if !self.begun {
            self.begun = true;
            let preamble = self.content(MAX_PART_HEADERS, 0).await?;
            preamble.ok_or(MultipartError::HeadersTooLarge)?;
        }
        while self.buffer.len() < 2 {
            self.more().await?;
        }
        if self.buffer.starts_with(b"--") {
            // What follows is ignored, but not unlimited.
            while self.fill().await? {
                self.buffer.clear();
            }
            return Ok(None);
        }
        let end = loop {
            let end = memmem::find(&self.buffer, b"\r\n\r\n");
            let len = end.unwrap_or(self.buffer.len());
            if len > MAX_PART_HEADERS {
                return Err(MultipartError::HeadersTooLarge);
            }
            match end {
                Some(end) => break end,
                None => self.more().await?,
            }
        };
        let head = self.buffer.split_to(end + b"\r\n\r\n".len());
        parse(&head).map(Some)
    }

    /// The content of a part; `None` if it is longer than `limit` bytes.
    pub(crate) async fn content(
        &mut self,
        limit: usize,
        capacity: usize,
    ) -> Result<Option<Vec<u8>>, MultipartError> {
        let mut content = Vec::with_capacity(capacity);
        loop {
            let end = memmem::find(&self.buffer, &self.delimiter);
            // What may be the beginning of a delimiter stays.
            let certain = (self.buffer.len() + 1).saturating_sub(self.delimiter.len());
            let len = end.unwrap_or(certain);
            if len > limit - content.len() {
                return Ok(None);
            }
            content.extend_from_slice(&self.buffer[..len]);
            self.buffer.advance(len);
            if end.is_some() {
                self.buffer.advance(self.delimiter.len());
                return Ok(Some(content));
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<(), MultipartError> {
        let more = self.fill().await?;
        more.then_some(()).ok_or(MultipartError::Malformed)
    }

    /// Takes in what arrives next; false at the end of the body.
    async fn fill(&mut self) -> Result<bool, MultipartError> {
        let Some(frame) = self.body.frame().await else {
            return Ok(false);
        };
        let frame = frame.map_err(|_| MultipartError::Malformed)?;
        let data = frame.into_data().unwrap_or_default();
        let left = self.left.checked_sub(data.len() as u64);
        self.left = left.ok_or(MultipartError::BodyTooLarge)?;
        self.buffer.extend_from_slice(&data);
        Ok(true)
    }
}

/// Reads what follows a boundary: blanks, the end of the line, and headers.
fn parse(head: &[u8]) -> Result<PartHeaders, MultipartError> {
    let malformed = MultipartError::Malformed;
    let lines = head.iter().position(|b| !matches!(b, b' ' | b'\t'));
    let lines = lines.and_then(|start| head[start..].strip_prefix(b"\r\n"));
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let parsed = httparse::parse_headers(lines.ok_or(malformed)?, &mut headers);
    let Ok(Status::Complete((_, headers))) = parsed else {
        return Err(malformed);
    };
    let mut known = PartHeaders::default();
    for parsed in headers {
        let slot = if parsed
            .name
            .eq_ignore_ascii_case(header::CONTENT_DISPOSITION.as_str())
        {
            &mut known.disposition
        } else if parsed
            .name
            .eq_ignore_ascii_case(header::CONTENT_TYPE.as_str())
        {
            &mut known.content_type
        } else {
            continue;
        };
        let value = str::from_utf8(parsed.value).map_err(|_| malformed)?;
        if slot.replace(value.to_owned()).is_some() {
            return Err(malformed);
        }
    }
    Ok(known)
}
