//! The KMS encryption context of a stored object.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserializer,
    de::{Error, MapAccess, Visitor},
};
use sha2::{Digest, Sha256};

/// The pair that names the algorithm suite, reserved by the format.
const SUITE_NAME: &str = "aws:x-amz-cek-alg";
pub(super) const SUITE_VALUE: &str = "115";

/// Some writers record the KMS key here. It does not identify the object.
const KMS_KEY_NAME: &str = "kms_cmk_id";

const OBJECT_NAME: &str = "caas:object";

/// The encryption context under which KMS wraps an object's data key. KMS authenticates it. It is
/// not secret: CloudTrail records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptionContext(BTreeMap<String, String>);

impl EncryptionContext {
    /// The context of the object with this S3 key: `caas:object` = the key's SHA-256 in lower-case
    /// hex, which binds a ciphertext to its key without revealing it, and `aws:x-amz-cek-alg` =
    /// `115`.
    pub fn for_object(key: &str) -> Self {
        Self(BTreeMap::from([
            (SUITE_NAME.to_owned(), SUITE_VALUE.to_owned()),
            (OBJECT_NAME.to_owned(), Self::subject(key)),
        ]))
    }

    /// What stands for the object with this S3 key in KMS encryption contexts and thus in CloudTrail:
    /// the key's SHA-256 in lower-case hex. A pseudonym: whoever knows the key can compute it.
    pub fn subject(key: &str) -> String {
        hex::encode(Sha256::digest(key))
    }

    /// The context of these pairs, as AWS's clients make it from the caller's: with
    /// `aws:x-amz-cek-alg` = `115`.
    ///
    /// # Errors
    /// A name is a duplicate, begins with `aws:`, or is `kms_cmk_id`.
    pub fn of<N: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, InvalidContext> {
        let mut context = BTreeMap::new();
        for (name, value) in pairs {
            let name = name.into();
            if name.starts_with("aws:") || name == KMS_KEY_NAME {
                return Err(InvalidContext::Reserved);
            }
            if context.insert(name, value.into()).is_some() {
                return Err(InvalidContext::Duplicate);
            }
        }
        context.insert(SUITE_NAME.to_owned(), SUITE_VALUE.to_owned());
        Ok(Self(context))
    }

    /// The pairs, sorted by name. Pass all of them to KMS.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Parses a stored context: one JSON object of strings, without duplicate names.
    pub(super) fn from_json(text: &str) -> Option<Self> {
        let mut json = serde_json::Deserializer::from_str(text);
        let pairs = json.deserialize_map(Pairs).ok()?;
        json.end().ok()?;
        Some(Self(pairs))
    }

    pub(super) fn to_json(&self) -> String {
        self.pairs().collect::<serde_json::Value>().to_string()
    }

    /// Whether this stored context names the suite and otherwise equals `expected`.
    pub(super) fn is_stored_form_of(&self, expected: &Self) -> bool {
        let own = |context: &Self| {
            let mut pairs = context.0.clone();
            pairs.remove(SUITE_NAME);
            pairs.remove(KMS_KEY_NAME);
            pairs
        };
        let suite = self.0.get(SUITE_NAME).map(String::as_str);
        suite == Some(SUITE_VALUE) && own(self) == own(expected)
    }
}

/// The pairs cannot be a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidContext {
    /// Names that begin with `aws:` belong to KMS and to the format; so does `kms_cmk_id`.
    #[error("the name is reserved")]
    Reserved,
    /// A name is a duplicate.
    #[error("the name is a duplicate")]
    Duplicate,
}

/// The pairs of a JSON object. A map's own implementation keeps the last of two duplicates.
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = BTreeMap::new();
        while let Some((name, value)) = map.next_entry()? {
            if pairs.insert(name, value).is_some() {
                return Err(A::Error::custom("duplicate name"));
            }
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf acme/report.pdf | sha256sum`
    const JSON: &str = r#"{"aws:x-amz-cek-alg":"115","caas:object":"6442a400b47e2ad958a95a36c03c7ff6c456b542df9826a6972deb811a13dee9"}"#;

    #[test]
    fn text_is_pinned_and_round_trips() {
        let context = EncryptionContext::for_object("acme/report.pdf");
        assert_eq!(context.to_json(), JSON);
        assert_eq!(EncryptionContext::from_json(JSON), Some(context));
    }

    #[test]
    fn a_callers_pairs_are_a_context_with_the_suite() {
        let hash = "6442a400b47e2ad958a95a36c03c7ff6c456b542df9826a6972deb811a13dee9";
        let object = EncryptionContext::for_object("acme/report.pdf");
        assert_eq!(EncryptionContext::of([(OBJECT_NAME, hash)]), Ok(object));
        let none: [(&str, &str); 0] = [];
        let context = EncryptionContext::of(none).unwrap();
        assert_eq!(context.to_json(), r#"{"aws:x-amz-cek-alg":"115"}"#);
        for (pairs, error) in [
            ([("a", "1"), ("aws:b", "2")], InvalidContext::Reserved),
            (
                [(SUITE_NAME, SUITE_VALUE), ("a", "1")],
                InvalidContext::Reserved,
            ),
            ([("a", "1"), (KMS_KEY_NAME, "2")], InvalidContext::Reserved),
            ([("a", "1"), ("a", "1")], InvalidContext::Duplicate),
        ] {
            assert_eq!(EncryptionContext::of(pairs), Err(error));
        }
    }

    #[test]
    fn a_stored_context_must_be_the_expected_one() {
        let expected = EncryptionContext::of([("a", "1"), ("b", "2")]).unwrap();
        let stored = |text: &str| {
            let stored = EncryptionContext::from_json(text).unwrap();
            stored.is_stored_form_of(&expected)
        };
        assert!(stored(r#"{"b":"2","aws:x-amz-cek-alg":"115","a":"1"}"#));
        assert!(stored(
            r#"{"b":"2","aws:x-amz-cek-alg":"115","a":"1","kms_cmk_id":"k"}"#
        ));
        for refused in [
            r#"{"a":"1","b":"2"}"#,
            r#"{"aws:x-amz-cek-alg":"114","a":"1","b":"2"}"#,
            r#"{"aws:x-amz-cek-alg":"115"}"#,
            r#"{"aws:x-amz-cek-alg":"115","a":"1"}"#,
            r#"{"aws:x-amz-cek-alg":"115","a":"1","b":"3"}"#,
            r#"{"aws:x-amz-cek-alg":"115","a":"1","b":"2","c":"3"}"#,
            r#"{"aws:x-amz-cek-alg":"115","a":"1","B":"2"}"#,
        ] {
            assert!(!stored(refused), "{refused}");
        }
    }

    #[test]
    fn order_and_white_space_are_free() {
        let text = "\n{ \"b\" : \"2\",\t\"a\":\"\\u0031\" } ";
        let context = EncryptionContext::from_json(text).unwrap();
        assert!(context.pairs().eq([("a", "1"), ("b", "2")]));
    }

    #[test]
    fn anything_but_one_object_of_strings_is_refused() {
        for text in [
            "",
            "null",
            "[]",
            r#"[["a","b"]]"#,
            r#""a""#,
            r#"{"a":1}"#,
            r#"{"a":null}"#,
            r#"{"a":["b"]}"#,
            r#"{"a":{"b":"c"}}"#,
            r#"{"a":"b","a":"b"}"#,
            r#"{"a":"b","\u0061":"c"}"#,
            r#"{"a":"b",}"#,
            r#"{"a":"b"}{}"#,
            r#"{"a":"b"} x"#,
            r#"{"a":"b""#,
            r#"{a:"b"}"#,
            r#"{'a':'b'}"#,
            r#"{"a":"\ud800"}"#,
            "\u{feff}{}",
        ] {
            assert_eq!(EncryptionContext::from_json(text), None, "{text}");
        }
    }
}
