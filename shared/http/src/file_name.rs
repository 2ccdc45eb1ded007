//! File names, as clients send them and as browsers receive them.

use std::{fmt, str::FromStr};

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The longest name in bytes.
const MAX_LEN: usize = 255;

/// The name of a file that has none.
const ANONYMOUS: &str = "file";

/// `attr-char` of RFC 5987 §3.2.1 stays as it is.
const ATTR_CHAR: AsciiSet = NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The name of one file, without a path: 1 to 255 bytes of UTF-8.
///
/// Read from what a client sends: the last component after `/` or `\`; empty, `.` and `..` become
/// `file`; a longer name is cut at a character boundary.
#[derive(Clone, PartialEq, Eq)]
pub struct FileName(String);

impl FileName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name followed by `suffix`, shortened to leave room for the suffix.
    pub fn with_suffix(&self, suffix: &str) -> Self {
        let room = MAX_LEN.saturating_sub(suffix.len());
        Self(format!("{}{suffix}", cut(&self.0, room)))
    }

    /// The name without `suffix`, if it ends in it and something is left.
    pub fn without_suffix(&self, suffix: &str) -> Self {
        match self.0.strip_suffix(suffix) {
            None | Some("" | "." | "..") => self.clone(),
            Some(stem) => Self(stem.to_owned()),
        }
    }

    /// `Content-Disposition: attachment` with the name in both spellings of RFC 6266: in ASCII, with
    /// `_` for what ASCII or a quoted string cannot hold, and in UTF-8.
    pub fn content_disposition(&self) -> HeaderValue {
        let plain = |c: char| match c {
            ' '..='~' if !matches!(c, '"' | '\\' | '%') => c,
            _ => '_',
        };
        let ascii: String = self.0.chars().map(plain).collect();
        let utf8 = utf8_percent_encode(&self.0, &ATTR_CHAR);
        HeaderValue::try_from(format!(
            "attachment; filename=\"{ascii}\"; filename*=UTF-8''{utf8}"
        ))
        .expect("printable ASCII only")
    }
}

impl FromStr for FileName {
    type Err = InvalidFileName;

    fn from_str(sent: &str) -> Result<Self, InvalidFileName> {
        if sent.contains(char::is_control) {
            return Err(InvalidFileName);
        }
        let name = match sent.rsplit(['/', '\\']).next() {
            None | Some("" | "." | "..") => ANONYMOUS,
            Some(name) => name,
        };
        Ok(Self(cut(name, MAX_LEN).to_owned()))
    }
}

impl Default for FileName {
    fn default() -> Self {
        Self(ANONYMOUS.to_owned())
    }
}

/// File names are content: they stay out of logs.
impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileName").finish_non_exhaustive()
    }
}

/// The longest prefix of at most `len` bytes that ends at a character boundary.
fn cut(name: &str, len: usize) -> &str {
    &name[..name.floor_char_boundary(len)]
}

/// The name holds a control character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a file name cannot hold control characters")]
pub struct InvalidFileName;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_reduced_to_their_last_component() {
        let cases = [
            ("report.pdf", "report.pdf"),
            ("path/to/your/file.txt", "file.txt"),
            (r"C:\Users\me\file.txt", "file.txt"),
            (r"mixed\up/../x", "x"),
            ("a b;c=d%.txt", "a b;c=d%.txt"),
            ("日本語.txt", "日本語.txt"),
            ("..hidden", "..hidden"),
            ("", "file"),
            (".", "file"),
            ("..", "file"),
            ("dir/", "file"),
            ("dir/..", "file"),
        ];
        for (sent, name) in cases {
            assert_eq!(sent.parse::<FileName>().unwrap().as_str(), name, "{sent:?}");
        }
        for sent in [
            "a\0b", "a\rb", "a\nb", "\n/name", "a\u{1b}b", "a\u{7f}", "a\u{85}",
        ] {
            assert_eq!(sent.parse::<FileName>(), Err(InvalidFileName), "{sent:?}");
        }
    }

    #[test]
    fn long_names_are_cut_at_a_character() {
        let name: FileName = "é".repeat(200).parse().unwrap();
        assert_eq!(name.as_str(), "é".repeat(127));
        let sealed = name.with_suffix(".enc");
        assert_eq!(sealed.as_str(), format!("{}.enc", "é".repeat(125)));
    }

    #[test]
    fn suffixes_come_and_go() {
        let name: FileName = "a.txt".parse().unwrap();
        assert_eq!(name.with_suffix(".enc").as_str(), "a.txt.enc");
        assert_eq!(name.with_suffix(".enc").without_suffix(".enc"), name);
        for kept in ["a.txt", ".enc", "..enc", "...enc", "x.ENC"] {
            let name: FileName = kept.parse().unwrap();
            assert_eq!(name.without_suffix(".enc"), name);
        }
    }

    #[test]
    fn content_disposition_is_rfc_6266() {
        let cases = [
            (
                "plain.txt",
                r#"attachment; filename="plain.txt"; filename*=UTF-8''plain.txt"#,
            ),
            (
                r#"a "b" %41.txt"#,
                r#"attachment; filename="a _b_ _41.txt"; filename*=UTF-8''a%20%22b%22%20%2541.txt"#,
            ),
            (
                "é€.x",
                "attachment; filename=\"__.x\"; filename*=UTF-8''%C3%A9%E2%82%AC.x",
            ),
        ];
        for (name, header) in cases {
            assert_eq!(
                name.parse::<FileName>().unwrap().content_disposition(),
                header
            );
        }
    }
}
