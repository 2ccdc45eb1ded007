//! JSON bodies (RFC 8259), read strictly: one object, each field known, once, and of its type.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{FromRequest, Request},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use serde::{
    Serialize,
    de::{DeserializeOwned, DeserializeSeed},
};
use serde_path_to_error::Path;
use zeroize::Zeroizing;

use crate::{
    HttpConfig, Problem, ProblemKind,
    form::refuse_encoding,
    json_value::{AnyValue, InvalidValue, MAX_DEPTH, Value},
};

/// The longest JSON body in bytes.
pub const MAX_JSON_BYTES: u64 = 1_000_000;

/// A JSON body.
///
/// As an extractor it takes an object of at most [`HttpConfig::max_body_bytes`] and
/// [`MAX_JSON_BYTES`]. `T` derives `Deserialize` with `deny_unknown_fields`. A repeated field, an
/// array for an object and `null` for an optional field are refused at every level.
///
/// # Errors
/// * `unsupported-media-type`: not `application/json`, or with a content encoding;
/// * `too-large`: over the limit, or over 16 levels deep;
/// * `malformed-json`: not JSON in UTF-8, with line and column;
/// * `invalid-request`: not a `T`, with the name of the field and never its value.
#[derive(Clone, Copy)]
pub struct Json<T>(pub T);

/// A JSON body that is one object, read as strictly as [`Json`], whose fields have no types yet.
pub struct JsonObject(Value);

impl<S, T> FromRequest<Arc<S>> for Json<T>
where
    S: AsRef<HttpConfig> + Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &Arc<S>) -> Result<Self, Problem> {
        let object = JsonObject::read(request, S::as_ref(state)).await?;
        object.into_typed().map(Self)
    }
}

impl JsonObject {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// Those of [`Json`], except that of a field.
    pub async fn read(request: Request, config: &HttpConfig) -> Result<Self, Problem> {
        refuse_encoding(request.headers())?;
        if !is_json(request.headers()) {
            return Err(Problem::new(
                ProblemKind::UnsupportedMediaType,
                "Send the body as application/json, in UTF-8.",
            ));
        }
        let limit = config.max_body_bytes.min(MAX_JSON_BYTES);
        parse(&read(request.into_body(), limit).await?).map(Self)
    }

    /// The text of a field; `None` if it is absent.
    ///
    /// # Errors
    /// `invalid-request`: it is not a string.
    pub fn text(&self, field: &str) -> Result<Option<&str>, Problem> {
        match self.0.field(field) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(Problem::invalid(format!(
                "The field '{field}' must be a string."
            ))),
        }
    }

    /// The object as a `T`.
    ///
    /// # Errors
    /// `invalid-request`: it is not a `T`, with the name of the field and never its value.
    pub fn into_typed<T: DeserializeOwned>(self) -> Result<T, Problem> {
        typed(self.0)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn parse(text: &[u8]) -> Result<Value, Problem> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = AnyValue::default().deserialize(&mut json);
    let value = value.and_then(|value| json.end().map(|()| value));
    match value {
        Ok(object @ Value::Object(_)) => Ok(object),
        Ok(_) => Err(Problem::invalid("The body must be an object.")),
        Err(error) if error.is_data() => Err(Problem::new(
            ProblemKind::TooLarge,
            format!("The JSON is more than {MAX_DEPTH} levels deep."),
        )),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            Err(Problem::new(
                ProblemKind::MalformedJson,
                format!("The body is not JSON in UTF-8: see line {line}, column {column}."),
            ))
        }
    }
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| invalid(error.path(), error.inner()))
}

fn invalid(path: &Path, error: &InvalidValue) -> Problem {
    // The path to an unknown field ends with its name, which can hold anything.
    let known = path.iter().len() - usize::from(matches!(error, InvalidValue::Unknown(..)));
    let segments = path.iter().take(known).map(ToString::to_string);
    let segments: Vec<_> = segments.chain(error.field().map(str::to_owned)).collect();
    let field = segments.join(".").replace(".[", "[");
    Problem::invalid(format!("The field '{field}' {error}."))
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

/// Reads a body into memory that is wiped, also where it has to grow.
async fn read(mut body: Body, limit: u64) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let too_large = || {
        let detail = format!("The body exceeds {limit} bytes. Send fewer or shorter values.");
        Problem::new(ProblemKind::TooLarge, detail)
    };
    let announced = body.size_hint().lower();
    if announced > limit {
        return Err(too_large());
    }
    let with_room = |len: u64| Vec::with_capacity(usize::try_from(len).unwrap_or_default());
    let mut text = Zeroizing::new(with_room(announced));
    while let Some(frame) = body.frame().await {
        let cut = |_| Problem::new(ProblemKind::MalformedJson, "The body ends too early.");
        let data = frame.map_err(cut)?.into_data().unwrap_or_default();
        let len = (text.len() + data.len()) as u64;
        if len > limit {
            return Err(too_large());
        }
        if len > text.capacity() as u64 {
            let mut larger = Zeroizing::new(with_room(limit.min(2 * len)));
            larger.extend_from_slice(&text);
            text = larger;
        }
        text.extend_from_slice(&data);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::OneOrMany;

    #[tokio::test]
    async fn an_unannounced_body_is_read_whole_and_an_announced_one_refused_at_once() {
        let chunks = (0..100_u8).map(|byte| Ok::<_, std::io::Error>(vec![byte; 100]));
        let expected: Vec<_> = (0..100).flat_map(|byte| [byte; 100]).collect();
        let unannounced = || Body::from_stream(futures::stream::iter(chunks.clone()));
        for body in [unannounced(), Body::from(expected.clone())] {
            assert_eq!(*read(body, 10_000).await.unwrap(), expected);
        }
        assert!(read(unannounced(), 9_999).await.is_err());
        assert!(read(Body::new(Announced), 9_999).await.is_err());
    }

    /// 10,000 bytes that are announced and never read.
    struct Announced;

    impl http_body::Body for Announced {
        type Data = axum::body::Bytes;
        type Error = axum::Error;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, axum::Error>>> {
            panic!("the body was read");
        }

        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(10_000)
        }
    }

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
            let headers = headers.into_iter().collect();
            assert_eq!(is_json(&headers), json, "{content_type}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it is read matters")]
    struct Order {
        secret: Zeroizing<String>,
        #[serde(alias = "other_texts")]
        texts: Option<OneOrMany<Zeroizing<String>>>,
        size: Option<u64>,
        mode: Option<Mode>,
        sender: Option<Sender>,
        #[serde(default)]
        urgent: bool,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Inbox,
        Client,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it is read matters")]
    struct Sender {
        name: String,
    }

    #[test]
    fn what_is_wrong_is_named_without_its_value() {
        let long = "n".repeat(41);
        let known =
            "is unknown: this route takes secret, other_texts, texts, size, mode, sender, urgent";
        let (repeated, string) = ("is repeated: send it once", "must be a string");
        let texts = "must be a string or an array of up to 1000 strings";
        let names_twice = r#","sender":{"name":"hidden","name":"hidden"}"#;
        let name_and_age = r#","sender":{"name":"hidden","age":1}"#;
        for (fields, field, error) in [
            (r#","mode":"hidden""#, "mode", "must be 'inbox' or 'client'"),
            (r#","mode":1"#, "mode", string),
            (r#","mode":{"inbox":null}"#, "mode", string),
            (r#","size":"hidden""#, "size", "must be a whole number"),
            (r#","size":-1"#, "size", "must be a whole number"),
            (r#","size":1.0"#, "size", "must be a whole number"),
            (r#","size":null"#, "size", "must be a whole number"),
            (r#","secret":"hidden""#, "secret", repeated),
            (r#","texts":"a","other_texts":"b""#, "texts", repeated),
            (r#","texts":null"#, "texts", texts),
            (r#","texts":["a",["hidden"]]"#, "texts[1]", string),
            (r#","sender":null"#, "sender", "must be an object"),
            (r#","sender":["hidden"]"#, "sender", "must be an object"),
            (r#","sender":{}"#, "sender.name", "is missing"),
            (r#","sender":{"name":true}"#, "sender.name", string),
            (r#","urgent":"true""#, "urgent", "must be a boolean"),
            (r#","urgent":1"#, "urgent", "must be a boolean"),
            (r#","urgent":null"#, "urgent", "must be a boolean"),
            (names_twice, "sender.name", repeated),
            (
                name_and_age,
                "sender.age",
                "is unknown: this route takes name",
            ),
            (r#","Secret":"hidden""#, "Secret", known),
            (r#","<hidden>":1"#, "…", known),
            (&format!(r#","{long}":1"#), "…", known),
        ] {
            let text = format!(r#"{{"secret":"hidden"{fields}}}"#);
            let detail = format!("The field '{field}' {error}.");
            refused(&text, ProblemKind::InvalidRequest, &detail);
        }
        for text in ["null", "1", r#""hidden""#, r#"["hidden"]"#] {
            let detail = "The body must be an object.";
            refused(text, ProblemKind::InvalidRequest, detail);
        }
        let missing = "The field 'secret' is missing.";
        refused("{}", ProblemKind::InvalidRequest, missing);
    }

    #[test]
    fn syntax_errors_are_placed_before_types_are_looked_at() {
        for (text, line, column) in [
            ("", 1, 0),
            ("{\"secret\": 1,\n \"hidden\"}", 2, 10),
            ("{\"secret\": \"\\ud800\"}", 1, 19),
        ] {
            let detail =
                format!("The body is not JSON in UTF-8: see line {line}, column {column}.");
            refused(text, ProblemKind::MalformedJson, &detail);
        }
    }

    #[test]
    fn absent_fields_and_arrays_are_read() {
        let read = order(r#"{"secret":"\u0061\n"}"#).unwrap();
        assert_eq!(read.secret.as_str(), "a\n");
        assert!(read.texts.is_none() && !read.urgent);
        let text = r#"{"secret":"","other_texts":["a","b"],"size":7,"urgent":true}"#;
        let read = order(text).unwrap();
        assert!(matches!(read.texts, Some(OneOrMany::Many(texts)) if texts.len() == 2));
        assert_eq!((read.size, read.urgent), (Some(7), true));
    }

    fn order(text: &str) -> Result<Order, Problem> {
        parse(text.as_bytes()).and_then(typed)
    }

    fn refused(text: &str, kind: ProblemKind, detail: &str) {
        let details = order(text).unwrap_err().details("");
        assert_eq!((details.kind, &*details.detail), (kind, detail), "{text}");
    }
}
