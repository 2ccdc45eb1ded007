//! S3 keys of stored files, and their ids in the API.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use caas_crypto::{ClientName, stored::EncryptionContext};

/// The longest key that S3 accepts, in bytes.
pub const MAX_KEY_LEN: usize = 1024;

/// The S3 key of a file in the vault, and of the same file in the inbox: `{client}/{path}`.
///
/// Nothing else names a file's object, and no key of this type leaves its client's prefix: a path
/// has no empty, `.` or `..` segment, no control character and neither U+FFFE nor U+FFFF, and the
/// whole key has at most 1,024 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    key: String,
    client_len: usize,
}

impl ObjectKey {
    /// The key of `path` in `client`'s prefix.
    ///
    /// # Errors
    /// The path is not legal.
    pub fn new(client: &ClientName, path: &str) -> Result<Self, InvalidObjectKey> {
        let client = client.as_str();
        let legal_segment = |segment: &str| !matches!(segment, "" | "." | "..");
        if client.len() + 1 + path.len() <= MAX_KEY_LEN
            && path.split('/').all(legal_segment)
            && !path.contains(is_unspeakable)
        {
            Ok(Self {
                key: format!("{client}/{path}"),
                client_len: client.len(),
            })
        } else {
            Err(InvalidObjectKey)
        }
    }

    /// Parses a whole key, as S3 returns it.
    ///
    /// # Errors
    /// The key does not begin with a client's name, or its path is not legal.
    pub fn parse(key: &str) -> Result<Self, InvalidObjectKey> {
        let (client, path) = key.split_once('/').ok_or(InvalidObjectKey)?;
        let client = client.parse().map_err(|_| InvalidObjectKey)?;
        Self::new(&client, path)
    }

    /// The key that `id` names for `client`: the inverse of [`id`](Self::id). A key has exactly one
    /// id; other encodings of the same bytes are refused.
    ///
    /// # Errors
    /// The id is not a legal path in canonical base64url without padding.
    pub fn from_id(client: &ClientName, id: &str) -> Result<Self, InvalidObjectKey> {
        let path = BASE64_URL_SAFE_NO_PAD.decode(id).ok();
        let path = path.and_then(|path| String::from_utf8(path).ok());
        Self::new(client, &path.ok_or(InvalidObjectKey)?)
    }

    /// The public id: the path in base64url without padding. It is opaque, and one segment of a
    /// URL's path that needs no escaping.
    pub fn id(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.path())
    }

    /// The whole key.
    pub fn as_str(&self) -> &str {
        &self.key
    }

    /// What stands for the file in KMS encryption contexts, CloudTrail and the audit trail.
    pub fn subject(&self) -> String {
        EncryptionContext::subject(&self.key)
    }

    /// The client that owns the file.
    pub fn client(&self) -> &str {
        &self.key[..self.client_len]
    }

    /// What follows `{client}/`.
    pub fn path(&self) -> &str {
        &self.key[self.client_len + 1..]
    }

    /// The last segment of the path.
    pub fn file_name(&self) -> &str {
        self.path().rsplit('/').next().unwrap_or_default()
    }
}

/// Whether a key must not contain this character: S3's responses are XML 1.0.
fn is_unspeakable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// Without the path: file names stay out of logs.
impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectKey")
            .field("client", &self.client())
            .finish_non_exhaustive()
    }
}

/// The text is neither an [`ObjectKey`] nor the id of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the key of a stored file")]
pub struct InvalidObjectKey;

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
    use proptest::prelude::*;

    use super::*;

    fn acme() -> ClientName {
        "acme".parse().unwrap()
    }

    #[test]
    fn a_key_has_parts() {
        let key = ObjectKey::new(&acme(), "reports/2026/ä b+c%.pdf").unwrap();
        assert_eq!(key.as_str(), "acme/reports/2026/ä b+c%.pdf");
        assert_eq!(key.client(), "acme");
        assert_eq!(key.path(), "reports/2026/ä b+c%.pdf");
        assert_eq!(key.file_name(), "ä b+c%.pdf");
        assert_eq!(ObjectKey::from_id(&acme(), &key.id()), Ok(key.clone()));
        assert_eq!(ObjectKey::parse(key.as_str()), Ok(key.clone()));
        assert_eq!(format!("{key:?}"), r#"ObjectKey { client: "acme", .. }"#);
    }

    #[test]
    fn illegal_paths_are_refused() {
        let longest = "x".repeat(MAX_KEY_LEN - "acme/".len());
        assert!(ObjectKey::new(&acme(), &longest).is_ok());
        for path in ["...", ".a", "a.", "a/..b", " ", "\\", "a\\..\\b", "%2e%2e"] {
            assert!(ObjectKey::new(&acme(), path).is_ok(), "{path:?}");
        }
        let too_long = longest.clone() + "x";
        for path in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            ".",
            "..",
            "./a",
            "a/.",
            "a/./b",
            "a/..",
            "../globex/a",
            "a/../../globex/a",
            "a\0",
            "a\nb",
            "\t",
            "a\u{7f}",
            "\u{85}",
            "a\u{fffe}",
            "\u{ffff}",
            &too_long,
        ] {
            let id = BASE64_URL_SAFE_NO_PAD.encode(path);
            for refused in [
                ObjectKey::new(&acme(), path),
                ObjectKey::from_id(&acme(), &id),
                ObjectKey::parse(&format!("acme/{path}")),
            ] {
                assert_eq!(refused, Err(InvalidObjectKey), "{path:?}");
            }
        }
    }

    #[test]
    fn keys_without_a_client_are_refused() {
        let too_long = format!("{}/a", "a".repeat(33));
        for key in ["", "a", "/a", "ACME/a", "a.b/a", "../a", &too_long] {
            assert_eq!(ObjectKey::parse(key), Err(InvalidObjectKey), "{key:?}");
        }
    }

    #[test]
    fn one_key_has_one_id() {
        let path = "a?>"; // YT8-
        assert!(ObjectKey::from_id(&acme(), "YT8-").is_ok());
        for id in [
            "YT8+", "YT8-=", " YT8-", "YT8-\n", "YT8", "YT8_", "YT8-%3D", "%59T8-", "YR", "YQ==",
        ] {
            let key = ObjectKey::from_id(&acme(), id);
            assert!(key.is_err() || key.unwrap().path() != path, "{id:?}");
        }
        assert!(ObjectKey::from_id(&acme(), "YQ").is_ok());
        for not_canonical in ["YR", "YQ==", "YQ="] {
            let key = ObjectKey::from_id(&acme(), not_canonical);
            assert_eq!(key, Err(InvalidObjectKey), "{not_canonical:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// An id that a caller sends, in any encoding, names nothing outside the caller's prefix,
        /// and no key has two ids.
        #[test]
        fn no_id_leaves_the_callers_prefix(
            bytes in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..60),
                r"(\.\.?|globex|/|\\|%2e|%2F|a|\x00){0,9}".prop_map(String::into_bytes),
                "\\PC{0,30}".prop_map(String::into_bytes),
            ],
            encoding in 0..5,
        ) {
            let id = match encoding {
                0 => BASE64_URL_SAFE_NO_PAD.encode(&bytes),
                1 => BASE64_URL_SAFE.encode(&bytes),
                2 => BASE64_STANDARD.encode(&bytes),
                3 => bytes.iter().map(|byte| format!("%{byte:02X}")).collect(),
                _ => String::from_utf8_lossy(&bytes).into_owned(),
            };
            if let Ok(key) = ObjectKey::from_id(&acme(), &id) {
                prop_assert_eq!(key.id(), id);
                prop_assert!(key.as_str().starts_with("acme/"));
                prop_assert!(key.as_str().len() <= MAX_KEY_LEN);
                prop_assert!(!key.as_str().split('/').any(|segment| matches!(segment, "" | "." | "..")));
                prop_assert!(!key.as_str().contains(is_unspeakable));
                prop_assert_eq!(ObjectKey::parse(key.as_str()), Ok(key));
            }
        }

        #[test]
        fn every_legal_path_has_an_id(path in "[^/\\p{Cc}\u{fffe}\u{ffff}]{3,20}(/[^/\\p{Cc}\u{fffe}\u{ffff}]{3,20}){0,4}") {
            let key = ObjectKey::new(&acme(), &path).unwrap();
            prop_assert_eq!(ObjectKey::from_id(&acme(), &key.id()), Ok(key));
        }
    }
}
