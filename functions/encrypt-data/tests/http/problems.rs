//! Every way to be wrong, and what is answered.

use axum::body::Body;
use caas_testing::{API_KEY, OTHER_API_KEY, post_json};
use http::{Method, Request};
use serde_json::{Value, json};

use crate::support::{Stack, USER};

#[tokio::test]
async fn bodies() {
    let stack = Stack::start().await;
    let process = stack.process();
    let start = format!(r#"{{"apiKey":"{API_KEY}","userUUID":"{USER}""#);
    let whole = format!(r#"{start},"sensitiveData":"datum"}}"#);
    let nested = |depth: usize| {
        let array = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        format!(r#"{start},"sensitiveData":{array}}}"#)
    };
    let cases: Vec<(&str, String, u16, &str)> = vec![
        ("empty", String::new(), 400, "malformed-json"),
        (
            "cut",
            whole[..whole.len() - 1].to_owned(),
            400,
            "malformed-json",
        ),
        ("more", format!("{whole}x"), 400, "malformed-json"),
        ("two", format!("{whole}{whole}"), 400, "malformed-json"),
        (
            "a byte order mark",
            format!("\u{feff}{whole}"),
            400,
            "malformed-json",
        ),
        (
            "half a surrogate",
            whole.replace("datum", "\\ud800"),
            400,
            "malformed-json",
        ),
        (
            "a line feed in a string",
            whole.replace("datum", "da\ntum"),
            400,
            "malformed-json",
        ),
        (
            "a trailing comma",
            whole.replace('}', ",}"),
            400,
            "malformed-json",
        ),
        ("a comment", format!("/**/{whole}"), 400, "malformed-json"),
        (
            "NaN",
            whole.replace("\"datum\"", "NaN"),
            400,
            "malformed-json",
        ),
        ("a string", "\"x\"".to_owned(), 400, "invalid-request"),
        ("null", "null".to_owned(), 400, "invalid-request"),
        ("an array", format!("[{whole}]"), 400, "invalid-request"),
        (
            "an array for the object",
            json!([API_KEY, USER, "datum"]).to_string(),
            400,
            "invalid-request",
        ),
        (
            "a field twice",
            whole.replace('}', r#","sensitiveData":"x"}"#),
            400,
            "invalid-request",
        ),
        (
            "the key twice",
            whole.replace('}', &format!(r#","apiKey":"{API_KEY}"}}"#)),
            400,
            "invalid-request",
        ),
        (
            "an unknown field",
            whole.replace('}', r#","<datum>":1}"#),
            400,
            "invalid-request",
        ),
        (
            "many fields",
            whole.replace(
                '}',
                &(0..50).map(|i| format!(r#","f{i}":1"#)).collect::<String>(),
            ) + "}",
            400,
            "invalid-request",
        ),
        (
            "a name in other case",
            whole.replace("sensitiveData", "sensitivedata"),
            400,
            "invalid-request",
        ),
        (
            "a number",
            whole.replace("\"datum\"", "1"),
            400,
            "invalid-request",
        ),
        (
            "a huge number",
            whole.replace("\"datum\"", "123456789012345678901234567890"),
            400,
            "invalid-request",
        ),
        (
            "null datum",
            whole.replace("\"datum\"", "null"),
            400,
            "invalid-request",
        ),
        (
            "an object datum",
            whole.replace("\"datum\"", "{}"),
            400,
            "invalid-request",
        ),
        (
            "a mixed array",
            whole.replace("\"datum\"", "[\"x\",1]"),
            400,
            "invalid-request",
        ),
        (
            "an array of arrays",
            whole.replace("\"datum\"", "[[\"x\"]]"),
            400,
            "invalid-request",
        ),
        (
            "1,001 data",
            whole.replace("\"datum\"", &json!(vec!["x"; 1001]).to_string()),
            400,
            "invalid-request",
        ),
        ("no datum", format!("{start}}}"), 400, "invalid-request"),
        (
            "no user",
            json!({"apiKey": API_KEY, "sensitiveData": "x"}).to_string(),
            400,
            "invalid-request",
        ),
        (
            "a user of another type",
            whole.replace(&format!("\"{USER}\""), "1"),
            400,
            "invalid-request",
        ),
        (
            "a key of another type",
            whole.replace(&format!("\"{API_KEY}\""), "1"),
            400,
            "invalid-request",
        ),
        (
            "a cipher that is none",
            whole.replace('}', r#","cipher":"sha256"}"#),
            400,
            "invalid-request",
        ),
        (
            "a cipher of another type",
            whole.replace('}', r#","cipher":null}"#),
            400,
            "invalid-request",
        ),
        ("16 levels", nested(15), 400, "invalid-request"),
        ("17 levels", nested(16), 413, "too-large"),
        ("100,000 levels", nested(100_000), 413, "too-large"),
        (
            "over 1 MB",
            whole.replace("datum", &"x".repeat(1_000_000)),
            413,
            "too-large",
        ),
        ("not a UUID", whole.replace(USER, "x"), 400, "invalid-uuid"),
        (
            "a UUID without hyphens",
            whole.replace(USER, &USER.replace('-', "")),
            400,
            "invalid-uuid",
        ),
        (
            "a UUID in braces",
            whole.replace(USER, &format!("{{{USER}}}")),
            400,
            "invalid-uuid",
        ),
        (
            "a UUID as URN",
            whole.replace(USER, &format!("urn:uuid:{USER}")),
            400,
            "invalid-uuid",
        ),
        (
            "a UUID and a space",
            whole.replace(USER, &format!("{USER} ")),
            400,
            "invalid-uuid",
        ),
        (
            "an unknown key",
            whole.replace(API_KEY, &API_KEY.replace('t', "T")),
            401,
            "unauthorized",
        ),
        (
            "an empty key",
            whole.replace(API_KEY, ""),
            401,
            "unauthorized",
        ),
        (
            "no key",
            json!({"userUUID": USER, "sensitiveData": "x"}).to_string(),
            401,
            "unauthorized",
        ),
    ];
    for (case, body, status, code) in cases {
        assert_ne!(body, whole, "{case}");
        let answer = process.call(post_json("/encrypt", body)).await;
        answer.is_problem(case, status, code);
        // No value of the request comes back.
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        for sent in ["datum", USER, API_KEY, "sha256"] {
            assert!(!text.contains(sent), "{case}: {text}");
        }
    }
    assert!(stack.record_versions("").await.is_empty());
    assert_eq!(stack.emulator.calls().kms(), 0);
    process.call(post_json("/encrypt", whole)).await.ok();
}

#[tokio::test]
async fn other_routes_are_as_strict() {
    let stack = Stack::start().await;
    let process = stack.process();
    let digest = process.digest(USER, "datum").await;
    for (case, path, fields, status, code) in [
        (
            "no data",
            "/verify",
            json!({"encryptedData": digest}),
            400,
            "invalid-request",
        ),
        (
            "nothing to compare",
            "/verify",
            json!({"sensitiveData": "x"}),
            400,
            "invalid-request",
        ),
        (
            "both names",
            "/verify",
            json!({"sensitiveData": "x", "encryptedData": "x", "encrypted_data": "x"}),
            400,
            "invalid-request",
        ),
        (
            "a cipher",
            "/verify",
            json!({"sensitiveData": "x", "encryptedData": "x", "cipher": "aes-256-gcm"}),
            400,
            "invalid-request",
        ),
        (
            "one and many",
            "/verify",
            json!({"sensitiveData": "x", "encryptedData": ["x"]}),
            400,
            "invalid-request",
        ),
        (
            "two and one",
            "/verify",
            json!({"sensitiveData": ["x", "y"], "encryptedData": ["x"]}),
            400,
            "invalid-request",
        ),
        ("nothing", "/decrypt", json!({}), 400, "invalid-request"),
        (
            "data",
            "/decrypt",
            json!({"encryptedData": "x", "sensitiveData": "x"}),
            400,
            "invalid-request",
        ),
        (
            "a number",
            "/decrypt",
            json!({"encryptedData": 1}),
            400,
            "invalid-request",
        ),
        (
            "both names",
            "/decrypt",
            json!({"encryptedData": "x", "encrypted_data": "x"}),
            400,
            "invalid-request",
        ),
        (
            "a digest",
            "/decrypt",
            json!({"encryptedData": digest}),
            422,
            "not-reversible",
        ),
        (
            "nothing of ours",
            "/decrypt",
            json!({"encryptedData": "x"}),
            422,
            "integrity-failure",
        ),
        (
            "an empty text",
            "/decrypt",
            json!({"encryptedData": ""}),
            422,
            "integrity-failure",
        ),
    ] {
        process
            .post(path, USER, fields)
            .await
            .is_problem(&format!("{path}, {case}"), status, code);
    }
    let answer = process
        .post(
            "/verify",
            USER,
            json!({"sensitiveData": "x", "encrypted_data": "x"}),
        )
        .await;
    assert_eq!(answer.ok(), json!({"valid": false}));
}

#[tokio::test]
async fn what_could_not_be_sent_back_is_refused() {
    let stack = Stack::start().await;
    let process = stack.process();
    let fields = |len: usize| json!({"sensitiveData": "x".repeat(len), "cipher": "aes-256-gcm"});
    let answer = process.post("/encrypt", USER, fields(900_000)).await;
    answer.is_problem("too long to come back", 413, "too-large");
    let value = process.post("/encrypt", USER, fields(740_000)).await.ok();
    let value = value["encrypted_data"].as_str().unwrap();
    let opened = process.decrypt(USER, value).await.ok();
    assert_eq!(opened["sensitive_data"].as_str().unwrap().len(), 740_000);
    // A digest is short, whatever the datum.
    process
        .post(
            "/encrypt",
            USER,
            json!({"sensitiveData": "x".repeat(900_000)}),
        )
        .await
        .ok();
}

#[tokio::test]
async fn content_types() {
    let stack = Stack::start().await;
    let process = stack.process();
    let body = json!({"apiKey": API_KEY, "userUUID": USER, "sensitiveData": "datum"}).to_string();
    for (content_type, encoding, served) in [
        (Some("application/json"), None, true),
        (
            Some("application/json; charset=utf-8"),
            Some("identity"),
            true,
        ),
        (Some("application/json; charset=latin1"), None, false),
        (Some("text/plain"), None, false),
        (Some("application/x-www-form-urlencoded"), None, false),
        (None, None, false),
        (Some("application/json"), Some("gzip"), false),
    ] {
        let mut request = Request::post("/encrypt");
        for (name, value) in [
            ("content-type", content_type),
            ("content-encoding", encoding),
        ] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let answer = process
            .call(request.body(Body::from(body.clone())).unwrap())
            .await;
        if served {
            answer.ok();
        } else {
            answer.is_problem("content type", 415, "unsupported-media-type");
        }
    }
}

#[tokio::test]
async fn keys_in_headers_and_body() {
    let stack = Stack::start().await;
    let process = stack.process();
    let body = |key: Option<&str>| {
        let mut body = json!({"userUUID": USER, "sensitiveData": "datum"});
        if let Some(key) = key {
            body["apiKey"] = Value::from(key);
        }
        body.to_string()
    };
    for (in_header, in_body, status) in [
        (None, Some(API_KEY), 200),
        (Some(API_KEY), None, 200),
        (Some(API_KEY), Some(API_KEY), 200),
        (Some(OTHER_API_KEY), Some(API_KEY), 401),
        (Some("unknown"), Some(API_KEY), 401),
        (Some(API_KEY), Some("unknown"), 401),
        (None, None, 401),
    ] {
        for name in ["x-api-key", "authorization"] {
            let mut request = Request::post("/encrypt").header("content-type", "application/json");
            if let Some(key) = in_header {
                let value = if name == "x-api-key" {
                    key.to_owned()
                } else {
                    format!("Bearer {key}")
                };
                request = request.header(name, value);
            }
            let answer = process
                .call(request.body(Body::from(body(in_body))).unwrap())
                .await;
            assert_eq!(answer.status, status, "{in_header:?}, {in_body:?}");
            assert_eq!(answer.header("www-authenticate").is_empty(), status == 200);
        }
    }
}

#[tokio::test]
async fn paths_of_users() {
    let stack = Stack::start().await;
    let process = stack.process();
    process.digest(USER, "datum").await;
    for user in [
        "x",
        &USER.replace('-', ""),
        "%ff",
        "%00",
        &format!("{USER}%20"),
        "..",
    ] {
        for (method, path) in [
            (Method::GET, format!("/users/{user}")),
            (Method::DELETE, format!("/users/{user}")),
            (Method::POST, format!("/users/{user}/rotate")),
        ] {
            process
                .send(method, &path)
                .await
                .is_problem(&path, 400, "invalid-uuid");
        }
    }
    let path = format!("/users/{USER}");
    for (method, path, status, code) in [
        (Method::PUT, path.clone(), 405, "method-not-allowed"),
        (
            Method::GET,
            format!("{path}/rotate"),
            405,
            "method-not-allowed",
        ),
        (
            Method::GET,
            "/encrypt".to_owned(),
            405,
            "method-not-allowed",
        ),
        (Method::POST, format!("{path}/shred"), 404, "not-found"),
        (Method::GET, "/users/".to_owned(), 404, "not-found"),
    ] {
        process
            .send(method, &path)
            .await
            .is_problem(&path, status, code);
    }
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/rotate")),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(&path)
            .body(Body::empty());
        process
            .call(request.unwrap())
            .await
            .is_problem(&path, 401, "unauthorized");
    }
    assert_eq!(process.version_numbers(&USER.to_uppercase()).await, [1]);
}
