//! The record of one API key in the registry, format `caas-client:v1`.

use std::time::SystemTime;

use caas_crypto::ClientName;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::Scopes;

/// The name of the format.
const FORMAT: &str = "caas-client:v1";

/// The longest record in bytes. A longer one is not read.
pub const MAX_RECORD_LEN: usize = 4096;

/// The longest note in bytes.
pub const MAX_NOTE_LEN: usize = 1024;

/// Which client an API key belongs to, and what it may do.
///
/// Stored as JSON at `clients/{hash}.json` ([`KeyHash::record_key`](crate::KeyHash::record_key)).
/// Times are RFC 3339, to the second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRecord {
    /// The client.
    pub client: ClientName,
    /// What the key may do.
    pub scopes: Scopes,
    /// When the record was made.
    pub created: OffsetDateTime,
    /// When the key expires; `None` if it does not.
    pub expires_at: Option<OffsetDateTime>,
    /// Whether the key has been revoked.
    pub disabled: bool,
    /// A note about the key.
    pub note: String,
}

impl ClientRecord {
    /// Whether the key has not expired at `now`.
    pub fn is_valid_at(&self, now: SystemTime) -> bool {
        let now = OffsetDateTime::from(now);
        self.expires_at.is_none_or(|expires_at| now < expires_at)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// It is too long, or not one JSON object with exactly the format's fields.
    pub fn parse(json: &[u8]) -> Result<Self, InvalidRecord> {
        if json.len() > MAX_RECORD_LEN {
            return Err(InvalidRecord);
        }
        // A derived struct accepts an array, too.
        let object = json.trim_ascii_start().starts_with(b"{");
        let fields: Fields = serde_json::from_slice(json).map_err(|_| InvalidRecord)?;
        if !object || fields.format != FORMAT || fields.note.len() > MAX_NOTE_LEN {
            return Err(InvalidRecord);
        }
        Ok(Self {
            client: fields.client.parse().map_err(|_| InvalidRecord)?,
            scopes: fields.scopes,
            created: fields.created,
            expires_at: fields.expires_at,
            disabled: fields.disabled,
            note: fields.note,
        })
    }

    /// The record as JSON, indented for people.
    pub fn to_json(&self) -> Vec<u8> {
        let fields = Fields {
            format: FORMAT.to_owned(),
            client: self.client.as_str().to_owned(),
            scopes: self.scopes,
            created: self.created,
            expires_at: self.expires_at,
            disabled: self.disabled,
            note: self.note.clone(),
        };
        let mut json = serde_json::to_vec_pretty(&fields).expect("times before the year 10000");
        json.push(b'\n');
        json
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    format: String,
    client: String,
    scopes: Scopes,
    #[serde(with = "time::serde::rfc3339")]
    created: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    disabled: bool,
    note: String,
}

/// The text is not a [`ClientRecord`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a record of the format {FORMAT}")]
pub struct InvalidRecord;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use time::macros::datetime;

    use super::*;
    use crate::Scope;

    fn record() -> ClientRecord {
        ClientRecord {
            client: "acme".parse().unwrap(),
            scopes: [Scope::FilesRead, Scope::ValuesEncrypt]
                .into_iter()
                .collect(),
            created: datetime!(2026-11-21 09:30:00 UTC),
            expires_at: Some(datetime!(2027-02-19 09:30:00 UTC)),
            disabled: false,
            note: "the web shop, production".to_owned(),
        }
    }

    fn as_value() -> Value {
        serde_json::from_slice(&record().to_json()).unwrap()
    }

    #[test]
    fn a_record_is_what_the_format_says() {
        let expected = json!({
            "format": "caas-client:v1",
            "client": "acme",
            "scopes": ["values:encrypt", "files:read"],
            "created": "2026-11-21T09:30:00Z",
            "expires_at": "2027-02-19T09:30:00Z",
            "disabled": false,
            "note": "the web shop, production",
        });
        assert_eq!(as_value(), expected);
        assert_eq!(ClientRecord::parse(&record().to_json()), Ok(record()));
        let forever = ClientRecord {
            expires_at: None,
            ..record()
        };
        assert_eq!(ClientRecord::parse(&forever.to_json()), Ok(forever));
    }

    #[test]
    fn anything_else_is_refused() {
        for (field, value) in [
            ("format", json!("caas-client:v2")),
            ("format", json!(null)),
            ("client", json!("Acme")),
            ("client", json!("a/b")),
            ("scopes", json!("files:read")),
            ("scopes", json!(["files:read", "files:all"])),
            ("scopes", json!(["*"])),
            ("scopes", json!(null)),
            ("created", json!(1)),
            ("created", json!("yesterday")),
            ("expires_at", json!("")),
            ("expires_at", json!(0)),
            ("disabled", json!("false")),
            ("disabled", json!(null)),
            ("note", json!("x".repeat(MAX_NOTE_LEN + 1))),
            ("unknown", json!(true)),
        ] {
            let mut changed = as_value();
            changed[field] = value;
            let refused = ClientRecord::parse(changed.to_string().as_bytes());
            assert_eq!(refused, Err(InvalidRecord), "{changed}");
        }
        for field in [
            "format",
            "client",
            "scopes",
            "created",
            "expires_at",
            "disabled",
            "note",
        ] {
            let mut changed = as_value();
            changed.as_object_mut().unwrap().remove(field);
            let refused = ClientRecord::parse(changed.to_string().as_bytes());
            assert_eq!(refused, Err(InvalidRecord), "without {field}");
        }
        let text = String::from_utf8(record().to_json()).unwrap();
        let values: Vec<_> = as_value().as_object().unwrap().values().cloned().collect();
        for text in [
            String::new(),
            "{}".to_owned(),
            json!(values).to_string(),
            text.replace(
                "\"disabled\": false",
                "\"disabled\": true, \"disabled\": false",
            ),
            format!("{text}{text}"),
            format!("{}{text}", " ".repeat(MAX_RECORD_LEN)),
        ] {
            assert_eq!(
                ClientRecord::parse(text.as_bytes()),
                Err(InvalidRecord),
                "{text}"
            );
        }
    }

    #[test]
    fn the_published_records_are_read() {
        let vectors = include_str!("../../../docs/formats/vectors.json");
        let vectors: Value = serde_json::from_str(vectors).unwrap();
        let vectors = vectors["client_records"].as_array().unwrap();
        assert_eq!(vectors.len(), 11);
        for vector in vectors {
            let text = vector["record"].as_str().unwrap();
            let record = ClientRecord::parse(text.as_bytes());
            let admits = record.as_ref().is_ok_and(|record| !record.disabled);
            assert_eq!(vector["admits"], admits, "{text}");
            if let Ok(record) = record {
                assert_eq!(ClientRecord::parse(&record.to_json()), Ok(record));
            }
        }
    }

    #[test]
    fn a_key_is_valid_until_its_expiry() {
        let at = |time: OffsetDateTime| record().is_valid_at(time.into());
        assert!(at(datetime!(2027-02-19 09:29:59.9 UTC)));
        assert!(!at(datetime!(2027-02-19 09:30:00 UTC)));
    }
}
