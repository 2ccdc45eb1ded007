//! A user's record: the user's keyset, sealed, or the tombstone that replaces it.
//!
//! It is the S3 object `{client}/{user}.json`, in one of two shapes:
//!
//! ```json
//! {"format":"caas-user-key:v2","client":"acme","user":"0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e11",
//!  "wrapped_key":"<base64>","body":"<base64>"}
//! {"format":"caas-user-key:v2","client":"acme","user":"0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e11",
//!  "wrapped_key":"<base64>","shredded_up_to":1}
//! ```
//!
//! without white space, fields in this order, base64 with padding (RFC 4648 §4). Nothing in it is
//! secret. KMS wraps the key of the body for this client and user
//! ([`record_context`](UserId::record_context)); [`UserKeyset`](crate::UserKeyset) describes
//! the body. The key of a tombstone seals nothing: that KMS unwraps it for this client, user and
//! number ([`tombstone_context`](UserId::tombstone_context)) proves that the service wrote the
//! tombstone.
//!
//! # What is detected, and what is not
//! A record is accepted only in exactly the text that this module writes. A record that is
//! truncated, edited, composed or another user's is refused here, by KMS or by the body's tag. An
//! earlier state of the record is not detected, because it was valid once, nor is the deletion of
//! all its versions. Restoring an earlier state brings its keys back: that is what a backup is for,
//! and erasure has to account for it. Values of versions made after it do not open, also where
//! their numbers are given out again: they name the id of their key.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

use crate::{RECORD_FORMAT, UserId};

/// The longest record, in bytes. A hundred versions take 8 KB.
pub const MAX_RECORD_LEN: usize = 1 << 15;

/// The longest wrapped key from KMS, in bytes.
const MAX_WRAPPED_LEN: usize = 6144;

/// A user's record. It is not secret, and unverified until KMS has unwrapped its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// The record's key, wrapped by KMS.
    pub wrapped_key: Vec<u8>,
    /// What it keeps besides.
    pub content: RecordContent,
}

/// What a record keeps besides its wrapped key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordContent {
    /// The sealed keyset.
    Body(Vec<u8>),
    /// The keys are destroyed; numbering continues after this.
    ShreddedUpTo(u32),
}

impl UserRecord {
    /// The text of `user`'s record.
    pub fn to_json(&self, user: &UserId) -> Vec<u8> {
        let (body, shredded_up_to) = match &self.content {
            RecordContent::Body(body) => (Some(BASE64_STANDARD.encode(body)), None),
            RecordContent::ShreddedUpTo(highest) => (None, Some(*highest)),
        };
        serde_json::to_vec(&Document {
            format: RECORD_FORMAT.to_owned(),
            client: user.client.to_string(),
            user: user.user.hyphenated().to_string(),
            wrapped_key: BASE64_STANDARD.encode(&self.wrapped_key),
            body,
            shredded_up_to,
        })
        .expect("strings and numbers")
    }

    /// Reads `user`'s record: the one text that [`to_json`](Self::to_json) writes.
    ///
    /// # Errors
    /// The text is another.
    pub fn parse(json: &[u8], user: &UserId) -> Result<Self, InvalidRecord> {
        Self::parse_any(json)
            .filter(|record| record.is_well_formed() && record.to_json(user) == json)
            .ok_or_else(|| InvalidRecord::of(json))
    }

    fn parse_any(json: &[u8]) -> Option<Self> {
        let document: Document = serde_json::from_slice(json).ok()?;
        let content = match (document.body, document.shredded_up_to) {
            (Some(body), None) => RecordContent::Body(BASE64_STANDARD.decode(body).ok()?),
            (None, Some(highest)) => RecordContent::ShreddedUpTo(highest),
            _ => return None,
        };
        let wrapped_key = BASE64_STANDARD.decode(document.wrapped_key).ok()?;
        Some(Self {
            wrapped_key,
            content,
        })
    }

    fn is_well_formed(&self) -> bool {
        (1..=MAX_WRAPPED_LEN).contains(&self.wrapped_key.len())
            && self.content != RecordContent::ShreddedUpTo(0)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    client: String,
    user: String,
    wrapped_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shredded_up_to: Option<u32>,
}

/// The text is not this user's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecord {
    /// It is damaged, or another user's.
    #[error("not readable")]
    Unreadable,
    /// It has the first format.
    #[error("format caas-user-key:v1, which this version does not read")]
    Version1,
}

impl InvalidRecord {
    fn of(json: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Format {
            format: String,
        }
        match serde_json::from_slice(json) {
            Ok(Format { format }) if format == "caas-user-key:v1" => Self::Version1,
            _ => Self::Unreadable,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use uuid::Uuid;

    use super::*;
    use crate::{RecordKey, UserKeyset};

    fn user(client: &str, user: u128) -> UserId {
        UserId {
            client: client.parse().unwrap(),
            user: Uuid::from_u128(user),
        }
    }

    fn records() -> [UserRecord; 2] {
        [
            RecordContent::Body(vec![0xFB; 98]),
            RecordContent::ShreddedUpTo(2),
        ]
        .map(|content| UserRecord {
            wrapped_key: vec![0xFB; 184],
            content,
        })
    }

    /// Those of `docs/formats/vectors.py`, computed without this crate.
    #[test]
    fn the_published_records_are_read_and_written_alike() {
        let vectors = include_str!("../../../docs/formats/vectors.json");
        let vectors: Value = serde_json::from_str(vectors).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let parse = |vector: &Value| {
            let user = UserId {
                client: text(&vector["client"]).parse().unwrap(),
                user: text(&vector["user"]).parse().unwrap(),
            };
            let json = text(&vector["record"]).into_bytes();
            let record = UserRecord::parse(&json, &user).unwrap();
            assert_eq!(record.to_json(&user), json);
            (user, record)
        };
        let context = |pairs: &[(&str, String)]| {
            let pairs = pairs.iter().cloned();
            Value::from_iter(pairs.map(|(name, value)| (name, Value::from(value))))
        };

        let records = vectors["records"].as_array().unwrap();
        assert_eq!(records.len(), 3);
        for vector in records {
            let (user, record) = parse(vector);
            assert_eq!(
                context(&user.record_context()),
                vector["encryption_context"]
            );
            let RecordContent::Body(body) = record.content else {
                panic!("a body");
            };
            let key = hex::decode(text(&vector["record_key"])).unwrap();
            let key = RecordKey::try_from(key.as_slice()).unwrap();
            let keyset = UserKeyset::open(&key, &user, &body).unwrap();
            assert_eq!(vector["highest"], keyset.highest());
            let versions = vector["versions"].as_array().unwrap();
            assert_eq!(versions.len(), keyset.versions().len());
            for (listed, version) in versions.iter().zip(keyset.versions()) {
                assert_eq!(listed["version"], version.number());
                assert_eq!(listed["cipher"], version.cipher().name());
                assert_eq!(listed["created_at"], version.created_at());
                assert_eq!(listed["digest"], version.digest(b"datum"));
            }
        }

        let tombstones = vectors["tombstones"].as_array().unwrap();
        assert_eq!(tombstones.len(), 2);
        for vector in tombstones {
            let (user, record) = parse(vector);
            let RecordContent::ShreddedUpTo(highest) = record.content else {
                panic!("a tombstone");
            };
            let expected = context(&user.tombstone_context(highest));
            assert_eq!(expected, vector["encryption_context"]);
        }
    }

    #[test]
    fn another_users_record_is_refused() {
        for record in records() {
            let json = record.to_json(&user("acme", 1));
            assert_eq!(UserRecord::parse(&json, &user("acme", 1)), Ok(record));
            for other in [user("acme", 2), user("acm", 1), user("globex", 1)] {
                let parsed = UserRecord::parse(&json, &other);
                assert_eq!(parsed, Err(InvalidRecord::Unreadable));
            }
        }
    }

    #[test]
    fn cut_and_unpatterned_records_are_refused() {
        let id = user("acme", 1);
        for record in records() {
            let json = record.to_json(&id);
            for len in 0..json.len() {
                assert!(UserRecord::parse(&json[..len], &id).is_err(), "{len}");
            }
            let text = String::from_utf8(json).unwrap();
            let (body, tombstone) = (text.contains("\"body\""), text.contains("shredded"));
            for (case, changed) in [
                (true, format!(" {text}")),
                (true, format!("{text}\n")),
                (true, format!("[{text}]")),
                (true, text.replace(':', ": ")),
                (true, text.replace("caas-user-key:v2", "caas-user-key:v3")),
                (true, text.replace("\"acme\"", "\"acm\\u0065\"")),
                (true, text.replacen('{', "{\"more\":1,", 1)),
                (true, text.replacen('{', "{\"client\":\"acme\",", 1)),
                (true, text.replacen('}', ",\"client\":\"acme\"}", 1)),
                (true, text.replacen("+/v7", "-_v7", 1)),
                (
                    body,
                    text.replacen("\"body\"", "\"shredded_up_to\":1,\"body\"", 1),
                ),
                (
                    tombstone,
                    text.replacen("\"shredded", "\"body\":\"\",\"shredded", 1),
                ),
                (tombstone, text.replacen("_to\":2", "_to\":0", 1)),
                (tombstone, text.replacen("_to\":2", "_to\":null", 1)),
                (tombstone, text.replacen("_to\":2", "_to\":2.0", 1)),
            ] {
                if case {
                    let parsed = UserRecord::parse(changed.as_bytes(), &id);
                    assert_eq!(parsed, Err(InvalidRecord::Unreadable), "{changed}");
                }
            }
        }
        let array =
            br#"["caas-user-key:v2","acme","00000000-0000-0000-0000-000000000001","+/v7",null,2]"#;
        assert!(UserRecord::parse(array, &id).is_err());
    }

    #[test]
    fn the_retired_format_is_named() {
        let json = br#"{"format":"caas-user-key:v1","client":"acme","user":"x","versions":[]}"#;
        let parsed = UserRecord::parse(json, &user("acme", 1));
        assert_eq!(parsed, Err(InvalidRecord::Version1));
    }
}
