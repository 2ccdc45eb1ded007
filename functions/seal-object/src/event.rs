//! The events that invoke the function.

use caas_inbox::NamedKey;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;

/// The three shapes of an invocation.
pub(crate) enum Event {
    /// S3 notifications. Each is parsed by itself, so that a malformed one does not stop the
    /// others.
    Records(Vec<Value>),
    /// What S3 sends when notifications are configured.
    Test,
    /// `{"sweep": true}`, from the schedule.
    Sweep,
}

impl Event {
    pub(crate) fn parse(event: Value) -> Result<Self, MalformedEvent> {
        let Value::Object(mut event) = event else {
            return Err(MalformedEvent);
        };
        if let Some(Value::Array(records)) = event.get_mut("Records").map(Value::take) {
            return Ok(Self::Records(records));
        }
        if event.get("sweep") == Some(&Value::Bool(true)) && event.len() == 1 {
            return Ok(Self::Sweep);
        }
        match event.get("Event") {
            Some(Value::String(name)) if name == "s3:TestEvent" => Ok(Self::Test),
            _ => Err(MalformedEvent),
        }
    }
}

/// The object that a notification names. Everything else in it may be out of date.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) bucket: String,
    pub(crate) key: NamedKey,
}

impl Named {
    pub(crate) fn parse(record: &Value) -> Result<Self, MalformedEvent> {
        let Record { s3 } = Record::deserialize(record).map_err(|_| MalformedEvent)?;
        let key = form_decoded(&s3.object.key).map(|key| NamedKey::new(&key, s3.object.size));
        Ok(Self {
            bucket: s3.bucket.name,
            key: key.unwrap_or(NamedKey::Illegal),
        })
    }
}

#[derive(Deserialize)]
struct Record {
    s3: S3,
}

#[derive(Deserialize)]
struct S3 {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
    size: Option<u64>,
}

/// Keys in notifications are form-urlencoded: a plus sign is a space.
fn form_decoded(key: &str) -> Option<String> {
    let key = key.replace('+', " ");
    let key = percent_decode_str(&key).decode_utf8().ok()?;
    Some(key.into_owned())
}

/// The event has none of the three shapes, or one of its records is not from S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown event")]
pub struct MalformedEvent;

#[cfg(test)]
mod tests {
    use caas_aws::ObjectKey;
    use serde_json::json;

    use super::*;

    fn named(key: &str, size: u64) -> NamedKey {
        let object = json!({"key": key, "size": size, "versionId": "1", "sequencer": "0A"});
        let record = json!({"eventName": "ObjectCreated:Put", "s3": {
            "bucket": {"name": "inbox", "arn": "arn:aws:s3:::inbox"}, "object": object,
        }});
        let named = Named::parse(&record).unwrap();
        assert_eq!(named.bucket, "inbox");
        named.key
    }

    #[test]
    fn keys_are_form_decoded() {
        for (encoded, key) in [
            ("acme/a.pdf", "acme/a.pdf"),
            ("acme/a+b.pdf", "acme/a b.pdf"),
            ("acme/a%2Bb.pdf", "acme/a+b.pdf"),
            ("acme/100%25.pdf", "acme/100%.pdf"),
            ("acme/%2525", "acme/%25"),
            ("acme/%C3%A4/%E2%82%AC", "acme/ä/€"),
        ] {
            let key = ObjectKey::parse(key).unwrap();
            assert_eq!(named(encoded, 1), NamedKey::File(key), "{encoded}");
        }
    }

    #[test]
    fn folders_are_empty_and_illegal_keys_are_told_apart() {
        assert_eq!(named("acme/folder/", 0), NamedKey::Folder);
        assert_eq!(named("acme/", 0), NamedKey::Folder);
        for (key, size) in [
            ("acme/folder/", 1),
            ("a.pdf", 1),
            ("a.pdf", 0),
            ("Acme/a.pdf", 1),
            ("acme/../b/c", 1),
            ("acme/a%00", 1),
            ("acme/%FF", 1),
            ("", 1),
        ] {
            assert_eq!(named(key, size), NamedKey::Illegal, "{key}");
        }
    }

    #[test]
    fn there_are_three_shapes() {
        let parse = |event: Value| Event::parse(event);
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "inbox"});
        assert!(matches!(parse(test), Ok(Event::Test)));
        assert!(matches!(parse(json!({"sweep": true})), Ok(Event::Sweep)));
        let records = parse(json!({"Records": [1, {}]}));
        assert!(matches!(records, Ok(Event::Records(records)) if records.len() == 2));
        for event in [
            json!(null),
            json!([]),
            json!("sweep"),
            json!({}),
            json!({"sweep": false}),
            json!({"sweep": 1}),
            json!({"sweep": true, "more": 1}),
            json!({"Records": {}}),
            json!({"Event": "s3:ObjectCreated:Put"}),
        ] {
            assert!(parse(event.clone()).is_err(), "{event}");
        }
        for record in [json!(1), json!({}), json!({"s3": {"bucket": {"name": 1}}})] {
            assert_eq!(Named::parse(&record), Err(MalformedEvent), "{record}");
        }
    }
}
