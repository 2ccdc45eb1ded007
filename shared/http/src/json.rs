//! JSON bodies (RFC 8259), read strictly: one object, each field known, once, and of its type.

use std::fmt;

use axum::body::Body;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, SeqAccess, Visitor},
};
use zeroize::Zeroizing;

use crate::{Problem, ProblemKind, form::refuse_encoding};

/// The longest JSON body in bytes.
pub const MAX_JSON_BYTES: u64 = 1_000_000;

/// Objects and arrays inside each other at most.
const MAX_DEPTH: usize = 16;

/// Fields in an object at most: more than any route knows.
const MAX_FIELDS: usize = 32;

/// Strings in one array at most.
const MAX_ITEMS: usize = 1000;

/// A JSON object, of which every field has to be taken.
pub struct JsonObject(Vec<(String, Json)>);

/// One value, or several of them in an array.
#[derive(Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One value.
    One(T),
    /// An array of up to 1,000 values.
    Many(Vec<T>),
}

/// Values stay out of logs.
impl<T> fmt::Debug for OneOrMany<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(_) => f.write_str("One(..)"),
            Self::Many(values) => write!(f, "Many(.. {} values)", values.len()),
        }
    }
}

/// Reads a body that is a JSON object of at most `max_body_bytes` and [`MAX_JSON_BYTES`].
///
/// # Errors
/// * `unsupported-media-type`: not `application/json`, or with a content encoding;
/// * `too-large`: over the limit, or over 16 levels deep;
/// * `malformed-json`: not JSON in UTF-8;
/// * `invalid-request`: not an object, or a field twice.
pub async fn read_json_object(
    headers: &HeaderMap,
    body: Body,
    max_body_bytes: u64,
) -> Result<JsonObject, Problem> {
    refuse_encoding(headers)?;
    if !is_json(headers) {
        return Err(Problem::new(
            ProblemKind::UnsupportedMediaType,
            "Send the body as application/json, in UTF-8.",
        ));
    }
    let text = read(body, max_body_bytes.min(MAX_JSON_BYTES)).await?;
    if depth(&text) > MAX_DEPTH {
        return Err(Problem::new(
            ProblemKind::TooLarge,
            "The JSON is more than 16 levels deep.",
        ));
    }
    let json = serde_json::from_slice(&text)
        .map_err(|_| Problem::new(ProblemKind::MalformedJson, "The body is not JSON in UTF-8."))?;
    let Json::Object(fields) = json else {
        return Err(invalid("The body is not a JSON object."));
    };
    if fields.len() > MAX_FIELDS {
        return Err(invalid(
            "The object has fields that this route does not know.",
        ));
    }
    let twice = |(position, (name, _)): (usize, &(String, Json))| {
        fields[..position]
            .iter()
            .any(|(earlier, _)| earlier == name)
    };
    if fields.iter().enumerate().any(twice) {
        return Err(invalid("The object has a field twice."));
    }
    Ok(JsonObject(fields))
}

impl JsonObject {
    /// The string in the field of this name, if there is one.
    ///
    /// # Errors
    /// `invalid-request`: something else than a string.
    pub fn text(&mut self, name: &str) -> Result<Option<Zeroizing<String>>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(invalid(format!("The field '{name}' is not a string."))),
        }
    }

    /// The whole number, 0 or more and without fraction or exponent, in the field of this name, if
    /// there is one.
    ///
    /// # Errors
    /// `invalid-request`: something else.
    pub fn whole_number(&mut self, name: &str) -> Result<Option<u64>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::WholeNumber(number)) => Ok(Some(number)),
            Some(_) => Err(invalid(format!(
                "The field '{name}' is not a whole number."
            ))),
        }
    }

    /// The string or the array of up to 1,000 strings in the field of this name, if there is one.
    ///
    /// # Errors
    /// `invalid-request`: something else.
    pub fn texts(&mut self, name: &str) -> Result<Option<OneOrMany<Zeroizing<String>>>, Problem> {
        let wrong = || {
            invalid(format!(
                "The field '{name}' is no string and no array of strings."
            ))
        };
        match self.take(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(OneOrMany::One(text))),
            Some(Json::Array(items)) if items.len() > MAX_ITEMS => Err(invalid(format!(
                "The field '{name}' has more than {MAX_ITEMS} items."
            ))),
            Some(Json::Array(items)) => {
                let texts = items.into_iter().map(|item| match item {
                    Json::Text(text) => Ok(text),
                    _ => Err(wrong()),
                });
                texts
                    .collect::<Result<_, _>>()
                    .map(OneOrMany::Many)
                    .map(Some)
            }
            Some(_) => Err(wrong()),
        }
    }

    /// Says that every field was taken.
    ///
    /// # Errors
    /// `invalid-request`: there are others.
    pub fn finish(self) -> Result<(), Problem> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(invalid(
                "The object has fields that this route does not know.",
            ))
        }
    }

    fn take(&mut self, name: &str) -> Option<Json> {
        let position = self.0.iter().position(|(field, _)| field == name)?;
        Some(self.0.swap_remove(position).1)
    }
}

/// Names and values stay out of logs.
impl fmt::Debug for JsonObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonObject").finish_non_exhaustive()
    }
}

/// Any JSON, as much of it as is asked for. All of it is read, so that an error is one of syntax.
enum Json {
    Text(Zeroizing<String>),
    WholeNumber(u64),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
    Other,
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyJson)
    }
}

struct AnyJson;

impl<'de> Visitor<'de> for AnyJson {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Json::Object(fields))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::WholeNumber(number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Other)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let utf_8 = parameters.split(';').all(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        !name.trim().eq_ignore_ascii_case("charset")
            || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    essence.trim().eq_ignore_ascii_case("application/json") && utf_8
}

async fn read(body: Body, limit: u64) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let too_large = || {
        let detail = format!("The body exceeds {limit} bytes. Send fewer or shorter values.");
        Problem::new(ProblemKind::TooLarge, detail)
    };
    let announced = http_body::Body::size_hint(&body).lower();
    if announced > limit {
        return Err(too_large());
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut body = Limited::new(body, limit);
    let mut text = Zeroizing::new(Vec::with_capacity(
        usize::try_from(announced).unwrap_or(limit),
    ));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            if error.is::<LengthLimitError>() {
                too_large()
            } else {
                Problem::new(ProblemKind::MalformedJson, "The body ends too early.")
            }
        })?;
        text.extend_from_slice(frame.data_ref().map_or(b"", |data| data));
    }
    Ok(text)
}

/// How many objects and arrays are open at once, in text that may not be JSON.
fn depth(text: &[u8]) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    let mut in_string = false;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                bytes.next();
            }
            b'{' | b'[' if !in_string => {
                open += 1;
                deepest = deepest.max(open);
            }
            b'}' | b']' if !in_string => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(ProblemKind::InvalidRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_in_utf_8_is_json() {
        for (content_type, json) in [
            ("application/json", true),
            ("Application/JSON ; charset=\"UTF-8\"", true),
            ("application/json; charset=utf-8; profile=x", true),
            ("application/json;", true),
            ("application/json; charset=latin1", false),
            ("application/json; a=b; Charset=utf-16", false),
            ("application/jsonp", false),
            ("application/problem+json", false),
            ("text/json", false),
            ("", false),
        ] {
            let headers = [(header::CONTENT_TYPE, content_type.parse().unwrap())];
            assert_eq!(
                is_json(&headers.into_iter().collect()),
                json,
                "{content_type}"
            );
        }
        assert!(!is_json(&HeaderMap::new()));
    }

    #[test]
    fn depth_counts_what_is_open_outside_strings() {
        for (text, expected) in [
            ("", 0),
            ("1", 0),
            ("{}", 1),
            ("[[],[]]", 2),
            (r#"{"a":"[[[[","b\"[":["\\"]}"#, 2),
            ("]]]][[", 2),
            (r#"["\"#, 1),
        ] {
            assert_eq!(depth(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn debug_shows_no_content() {
        let object = JsonObject(vec![("name".to_owned(), Json::Other)]);
        assert_eq!(format!("{object:?}"), "JsonObject { .. }");
    }
}
