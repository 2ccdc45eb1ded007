//! A user's record: every version of the user's key, or the tombstone that replaces them.
//!
//! It is the S3 object `{client}/{user}.json`, in one of two shapes:
//!
//! ```json
//! {"format":"caas-user-key:v1","client":"acme","user":"0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e11",
//!  "versions":[{"version":1,"created_at":1760000000,"cipher":"sha256","salt_length":16,
//!               "wrapped_key":"<base64>","mac":"<hex>"}]}
//! {"format":"caas-user-key:v1","client":"acme","user":"0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e11",
//!  "shredded_up_to":1}
//! ```
//!
//! without white space. Versions are consecutive, in ascending order; times are seconds since 1970.
//! Nothing in it is secret: KMS wraps the keys, each for its client, user and version, and a MAC
//! under the key itself authenticates the rest of a version.
//!
//! # What is detected, and what is not
//! A record is accepted only in exactly the text that this module writes. A record that is
//! truncated, edited, or another user's is refused here, by KMS or by the MAC. An earlier state of
//! the record is not detected, because it was valid once. Restoring it brings its keys back: that
//! is what a backup is for, and erasure has to account for it. Values of versions made after it do
//! not open.

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use base64::{Engine, prelude::BASE64_STANDARD};
use caas_crypto::{Configuration, RecordMac, SaltLength};
use serde::{Deserialize, Serialize};

use crate::UserId;

/// The name of the format, in every record.
const FORMAT: &str = "caas-user-key:v1";

/// The most versions in one record.
pub(crate) const MAX_VERSIONS: usize = 1000;

/// The longest record, in bytes.
pub(crate) const MAX_RECORD_LEN: usize = 1 << 20;

/// The longest wrapped key from KMS, in bytes.
const MAX_WRAPPED_LEN: usize = 6144;

/// The end of the year 9999, the last time that RFC 3339 can represent.
const MAX_TIME: u64 = 253_402_300_799;

/// The content of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UserRecord {
    /// At least one version, in ascending order.
    Live(Vec<KeyVersion>),
    /// The keys are destroyed; numbering continues after the highest.
    Shredded { highest: u32 },
}

/// One version of a user's key, wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyVersion {
    pub(crate) number: u32,
    pub(crate) configuration: Configuration,
    pub(crate) mac: RecordMac,
    pub(crate) wrapped: Vec<u8>,
}

impl UserRecord {
    /// The versions; none in a tombstone.
    pub(crate) fn versions(&self) -> &[KeyVersion] {
        match self {
            Self::Live(versions) => versions,
            Self::Shredded { .. } => &[],
        }
    }

    /// The highest version number ever used.
    pub(crate) fn highest(&self) -> u32 {
        match self {
            Self::Live(versions) => versions.last().map_or(0, |latest| latest.number),
            Self::Shredded { highest } => *highest,
        }
    }

    /// The text of `user`'s record.
    pub(crate) fn to_json(&self, user: &UserId) -> Vec<u8> {
        let (versions, shredded_up_to) = match self {
            Self::Live(versions) => (Some(versions.iter().map(Into::into).collect()), None),
            Self::Shredded { highest } => (None, Some(*highest)),
        };
        serde_json::to_vec(&Document {
            format: FORMAT.to_owned(),
            client: user.client.to_string(),
            user: user.user.hyphenated().to_string(),
            versions,
            shredded_up_to,
        })
        .expect("strings and numbers")
    }

    /// Reads `user`'s record: the one text that [`to_json`](Self::to_json) writes.
    pub(crate) fn parse(json: &[u8], user: &UserId) -> Result<Self, InvalidRecord> {
        let document: Document = serde_json::from_slice(json).map_err(|_| InvalidRecord)?;
        let record = match (document.versions, document.shredded_up_to) {
            (Some(versions), None) => {
                let versions = versions.into_iter().map(TryInto::try_into);
                Self::Live(versions.collect::<Result<_, _>>()?)
            }
            (None, Some(highest)) => Self::Shredded { highest },
            _ => return Err(InvalidRecord),
        };
        let canonical = record.is_well_formed() && record.to_json(user) == json;
        canonical.then_some(record).ok_or(InvalidRecord)
    }

    fn is_well_formed(&self) -> bool {
        match self {
            Self::Shredded { highest } => *highest > 0,
            Self::Live(versions) => {
                (1..=MAX_VERSIONS).contains(&versions.len())
                    && versions[0].number > 0
                    && versions
                        .windows(2)
                        .all(|pair| pair[0].number.checked_add(1) == Some(pair[1].number))
                    && versions.iter().all(|version| {
                        (1..=MAX_WRAPPED_LEN).contains(&version.wrapped.len())
                            && version.configuration.created_at <= MAX_TIME
                    })
            }
        }
    }
}

impl KeyVersion {
    /// When the version was made, in RFC 3339.
    pub(crate) fn created_at(&self) -> String {
        let seconds = self.configuration.created_at.min(MAX_TIME);
        DateTime::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))
            .fmt(DateTimeFormat::DateTime)
            .unwrap_or_default()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    client: String,
    user: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    versions: Option<Vec<VersionDocument>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shredded_up_to: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionDocument {
    version: u32,
    created_at: u64,
    cipher: String,
    salt_length: u8,
    wrapped_key: String,
    mac: String,
}

impl From<&KeyVersion> for VersionDocument {
    fn from(version: &KeyVersion) -> Self {
        Self {
            version: version.number,
            created_at: version.configuration.created_at,
            cipher: version.configuration.cipher.name().to_owned(),
            salt_length: version.configuration.salt_length.chars(),
            wrapped_key: BASE64_STANDARD.encode(&version.wrapped),
            mac: version.mac.to_string(),
        }
    }
}

impl TryFrom<VersionDocument> for KeyVersion {
    type Error = InvalidRecord;

    fn try_from(document: VersionDocument) -> Result<Self, InvalidRecord> {
        Ok(Self {
            number: document.version,
            configuration: Configuration {
                cipher: document.cipher.parse().map_err(|_| InvalidRecord)?,
                salt_length: SaltLength::try_from(document.salt_length)
                    .map_err(|_| InvalidRecord)?,
                created_at: document.created_at,
            },
            mac: document.mac.parse().map_err(|_| InvalidRecord)?,
            wrapped: BASE64_STANDARD
                .decode(document.wrapped_key)
                .map_err(|_| InvalidRecord)?,
        })
    }
}

/// The text is not this user's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not this user's record")]
pub(crate) struct InvalidRecord;

#[cfg(test)]
mod tests {
    use caas_crypto::Cipher;
    use uuid::Uuid;

    use super::*;

    fn user(client: &str, user: u128) -> UserId {
        UserId {
            client: client.parse().unwrap(),
            user: Uuid::from_u128(user),
        }
    }

    fn version(number: u32) -> KeyVersion {
        KeyVersion {
            number,
            configuration: Configuration {
                cipher: Cipher::Sha256,
                salt_length: "16".parse().unwrap(),
                created_at: 1_760_000_000,
            },
            mac: "0a".repeat(64).parse().unwrap(),
            wrapped: vec![0xFB; 184],
        }
    }

    #[test]
    fn both_shapes_round_trip_and_are_pinned() {
        let id = user("acme", 0x0191_b9c4_7f3e_7a52_9c1d_2f6f_0d5c_8e11);
        let head = r#"{"format":"caas-user-key:v1","client":"acme","user":"0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e11""#;
        let tail = format!(
            r#""created_at":1760000000,"cipher":"sha256","salt_length":16,"wrapped_key":"{}","mac":"{}"}}"#,
            BASE64_STANDARD.encode([0xFB; 184]),
            "0a".repeat(64)
        );
        let live = UserRecord::Live(vec![version(4), version(5)]);
        let text = format!(r#"{head},"versions":[{{"version":4,{tail},{{"version":5,{tail}]}}"#);
        assert_eq!(String::from_utf8(live.to_json(&id)).unwrap(), text);
        assert_eq!(UserRecord::parse(text.as_bytes(), &id), Ok(live.clone()));
        assert_eq!((live.highest(), live.versions().len()), (5, 2));

        let shredded = UserRecord::Shredded { highest: 5 };
        let text = format!(r#"{head},"shredded_up_to":5}}"#);
        assert_eq!(String::from_utf8(shredded.to_json(&id)).unwrap(), text);
        assert_eq!(
            UserRecord::parse(text.as_bytes(), &id),
            Ok(shredded.clone())
        );
        assert_eq!((shredded.highest(), shredded.versions().len()), (5, 0));

        assert_eq!(
            id.record_key().as_str(),
            "acme/0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e11.json"
        );
        assert_eq!(version(4).created_at(), "2025-10-09T08:53:20Z");
    }

    #[test]
    fn another_users_record_is_refused() {
        let json = UserRecord::Live(vec![version(1)]).to_json(&user("acme", 1));
        assert!(UserRecord::parse(&json, &user("acme", 1)).is_ok());
        for other in [user("acme", 2), user("acm", 1), user("globex", 1)] {
            assert_eq!(UserRecord::parse(&json, &other), Err(InvalidRecord));
        }
    }

    #[test]
    fn cut_and_unpatterned_records_are_refused() {
        let id = user("acme", 1);
        for record in [
            UserRecord::Live(vec![version(1), version(2)]),
            UserRecord::Shredded { highest: 2 },
        ] {
            let json = record.to_json(&id);
            for len in 0..json.len() {
                assert_eq!(UserRecord::parse(&json[..len], &id), Err(InvalidRecord));
            }
            let text = String::from_utf8(json).unwrap();
            for changed in [
                format!(" {text}"),
                format!("{text}\n"),
                format!("[{text}]"),
                text.replace(':', ": "),
                text.replace("caas-user-key:v1", "caas-user-key:v2"),
                text.replace("\"acme\"", "\"acm\\u0065\""),
                text.replacen('{', "{\"more\":1,", 1),
                text.replacen('{', "{\"client\":\"acme\",", 1),
                text.replacen("}", ",\"client\":\"acme\"}", 1),
                text.replacen("\"versions\"", "\"shredded_up_to\":1,\"versions\"", 1),
                text.replacen(
                    "\"shredded_up_to\"",
                    "\"versions\":[],\"shredded_up_to\"",
                    1,
                ),
                text.replacen("\"shredded_up_to\":2", "\"shredded_up_to\":0", 1),
                text.replacen("\"shredded_up_to\":2", "\"shredded_up_to\":null", 1),
                text.replacen("\"salt_length\":16", "\"salt_length\":17", 1),
                text.replacen("sha256", "SHA256", 1),
                text.replacen("+/v7", "-_v7", 1),
                text.replacen("0a0a", "0A0a", 1),
                text.replacen("1760000000", "1760000000.0", 1),
                text.replacen("1760000000", "253402300800", 1),
            ] {
                let read = UserRecord::parse(changed.as_bytes(), &id);
                assert!(read == Err(InvalidRecord) || changed == text, "{changed}");
            }
        }
        let array = br#"["caas-user-key:v1","acme","00000000-0000-0000-0000-000000000001",null,2]"#;
        assert_eq!(UserRecord::parse(array, &id), Err(InvalidRecord));
    }

    #[test]
    fn versions_are_consecutive_and_not_too_many() {
        let id = user("acme", 1);
        let many = |count| (1..=count).map(version).collect::<Vec<_>>();
        let parse = |versions| UserRecord::parse(&UserRecord::Live(versions).to_json(&id), &id);
        assert!(parse(many(1000)).is_ok());
        for versions in [
            many(1001),
            vec![],
            vec![version(0)],
            vec![version(2), version(1)],
            vec![version(1), version(1)],
            vec![version(1), version(3)],
            vec![version(u32::MAX), version(0)],
            vec![KeyVersion {
                wrapped: vec![],
                ..version(1)
            }],
        ] {
            assert_eq!(parse(versions), Err(InvalidRecord));
        }
    }
}
