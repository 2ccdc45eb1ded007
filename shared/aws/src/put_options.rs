//! Options of a put.

use caas_crypto::stored::MAX_PLAINTEXT_LEN;

/// The maximum total length of the names and values of additional metadata, in bytes. S3 accepts
/// 2 KB, of which the header needs about 600 bytes, and more if KMS's wrapped keys grow.
const MAX_METADATA: usize = 1024;

const MAX_CONTENT_TYPE: usize = 255;

/// What is put besides the content, and the condition of the put. By default: nothing, and none.
#[derive(Clone, Debug)]
pub struct PutOptions {
    content_type: Option<String>,
    metadata: Vec<(String, String)>,
    condition: Condition,
    exact_len: Option<u64>,
    max_len: u64,
}

/// The state of the key on which a put depends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Always,
    IfAbsent,
    IfMatch(String),
}

impl PutOptions {
    /// Stores a content type.
    ///
    /// # Errors
    /// It is longer than 255 bytes, or is not visible ASCII.
    pub fn content_type(mut self, content_type: &str) -> Result<Self, InvalidOption> {
        if content_type.len() > MAX_CONTENT_TYPE || !is_header_text(content_type) {
            return Err(InvalidOption);
        }
        self.content_type = Some(content_type.to_owned());
        Ok(self)
    }

    /// Stores one pair of user metadata besides the header's. It is not authenticated.
    ///
    /// # Errors
    /// The name has other characters than `a-z`, `0-9` and `-`, begins with `x-amz-`, or is already
    /// used; the value is not visible ASCII; or all pairs together exceed 1 KiB.
    pub fn metadata(mut self, name: &str, value: &str) -> Result<Self, InvalidOption> {
        let legal = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let stored = self.metadata.iter();
        let len: usize = stored.map(|(name, value)| name.len() + value.len()).sum();
        if name.is_empty()
            || !name.bytes().all(legal)
            || name.starts_with("x-amz-")
            || self.metadata.iter().any(|pair| pair.0 == name)
            || !is_header_text(value)
            || len + name.len() + value.len() > MAX_METADATA
        {
            return Err(InvalidOption);
        }
        self.metadata.push((name.to_owned(), value.to_owned()));
        Ok(self)
    }

    /// Puts only where there is no file (`If-None-Match: *`).
    #[must_use]
    pub fn if_absent(mut self) -> Self {
        self.condition = Condition::IfAbsent;
        self
    }

    /// Puts only over the file with this ETag (`If-Match`).
    ///
    /// # Errors
    /// It is not visible ASCII.
    pub fn if_match(mut self, e_tag: &str) -> Result<Self, InvalidOption> {
        if !is_header_text(e_tag) {
            return Err(InvalidOption);
        }
        self.condition = Condition::IfMatch(e_tag.to_owned());
        Ok(self)
    }

    /// Refuses content that does not have exactly `len` bytes: a source that ends early is then not
    /// mistaken for a shorter file.
    #[must_use]
    pub fn exact_len(mut self, len: u64) -> Self {
        self.exact_len = Some(len);
        self
    }

    /// Refuses content of more than `len` bytes. The format allows 2^36 − 32.
    #[must_use]
    pub fn max_len(mut self, len: u64) -> Self {
        self.max_len = len.min(MAX_PLAINTEXT_LEN);
        self
    }

    /// The value of `Content-Type`.
    pub fn content_type_header(&self) -> Option<String> {
        self.content_type.clone()
    }

    /// The pairs of additional user metadata.
    pub fn metadata_pairs(&self) -> impl Iterator<Item = (String, String)> {
        self.metadata.iter().cloned()
    }

    /// The value of `If-Match`.
    pub fn if_match_header(&self) -> Option<String> {
        match &self.condition {
            Condition::IfMatch(e_tag) => Some(e_tag.clone()),
            _ => None,
        }
    }

    /// The value of `If-None-Match`.
    pub fn if_none_match_header(&self) -> Option<String> {
        (self.condition == Condition::IfAbsent).then(|| "*".to_owned())
    }

    /// The length that the content must have, if set.
    pub fn announced_len(&self) -> Option<u64> {
        self.exact_len
    }

    /// Checks content that has `len` bytes so far.
    ///
    /// # Errors
    /// It is too long.
    pub fn admit(&self, len: u64) -> Result<(), LengthRefused> {
        if len > self.max_len {
            let limit = self.max_len;
            return Err(LengthRefused::TooLong { limit });
        }
        match self.exact_len {
            Some(exact) if len > exact => Err(LengthRefused::NotAsAnnounced),
            _ => Ok(()),
        }
    }

    /// Checks content that ends after `len` bytes.
    ///
    /// # Errors
    /// It is too long, or shorter than announced.
    pub fn admit_whole(&self, len: u64) -> Result<(), LengthRefused> {
        self.admit(len)?;
        match self.exact_len {
            Some(exact) if len != exact => Err(LengthRefused::NotAsAnnounced),
            _ => Ok(()),
        }
    }
}

impl Default for PutOptions {
    fn default() -> Self {
        Self {
            content_type: None,
            metadata: Vec::new(),
            condition: Condition::Always,
            exact_len: None,
            max_len: MAX_PLAINTEXT_LEN,
        }
    }
}

/// Whether `text` is a header value that S3 returns unchanged: not empty, visible ASCII, spaces
/// only inside.
fn is_header_text(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| matches!(b, b' '..=b'~')) && text.trim() == text
}

/// Why content of this length is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LengthRefused {
    /// It is longer than [`PutOptions::max_len`].
    #[error("longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: u64,
    },
    /// It does not have the length [`PutOptions::exact_len`].
    #[error("not of the announced length")]
    NotAsAnnounced,
}

/// A value that S3 cannot store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("S3 cannot store this")]
pub struct InvalidOption;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_what_s3_stores_unchanged_and_never_the_headers() {
        let put = |name: &str, value: &str| PutOptions::default().metadata(name, value);
        for (name, value) in [("caas-source-version", "3sL4kqtJlcpXroDTDmJ"), ("a", "b c")] {
            assert!(put(name, value).is_ok(), "{name}");
        }
        let long = "v".repeat(MAX_METADATA);
        for (name, value) in [
            ("", "v"),
            ("A", "v"),
            ("a b", "v"),
            ("a:b", "v"),
            ("ä", "v"),
            ("x-amz-c", "115"),
            ("x-amz-unencrypted-content-length", "1"),
            ("a", ""),
            ("a", " v"),
            ("a", "v "),
            ("a", "ä"),
            ("a", "v\r\nx: y"),
            ("a", "\0"),
            ("a", &long),
        ] {
            let refused = put(name, value).err();
            assert_eq!(refused, Some(InvalidOption), "{name:?}: {value:?}");
        }
        let twice = put("a", "v").unwrap().metadata("a", "w");
        assert_eq!(twice.unwrap_err(), InvalidOption);
    }

    #[test]
    fn content_types_and_etags_are_header_text() {
        let of_type = |text: &str| PutOptions::default().content_type(text);
        assert!(of_type("text/plain; charset=utf-8").is_ok());
        for text in ["", "text/plain\r\n", "é", " x", &"x".repeat(256)] {
            assert!(of_type(text).is_err(), "{text:?}");
        }
        for text in ["", "\"a\"\n", "é"] {
            assert!(PutOptions::default().if_match(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn lengths_are_limited_and_may_be_announced() {
        let options = PutOptions::default();
        assert!(options.admit(MAX_PLAINTEXT_LEN).is_ok());
        assert!(options.admit(MAX_PLAINTEXT_LEN + 1).is_err());
        let unlimited = options.clone().max_len(u64::MAX);
        assert!(unlimited.admit(MAX_PLAINTEXT_LEN + 1).is_err());
        let options = options.max_len(10).exact_len(5);
        assert!(options.admit(3).is_ok() && options.admit_whole(5).is_ok());
        assert!(options.admit_whole(3) == Err(LengthRefused::NotAsAnnounced));
        assert!(options.admit(6) == Err(LengthRefused::NotAsAnnounced));
        let too_long = LengthRefused::TooLong { limit: 10 };
        assert_eq!(options.admit(11), Err(too_long));
    }
}
