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
    let datum = |json: &str| whole.replace("\"datum\"", json);
    let user = |json: &str| whole.replace(&format!("\"{USER}\""), json);
    let key = |json: &str| whole.replace(&format!("\"{API_KEY}\""), json);
    let with = |fields: &str| whole.replace('}', &format!(",{fields}}}"));
    let cases = [
        (
            400,
            "malformed-json",
            vec![
                ("empty", String::new()),
                ("cut", whole[..whole.len() - 1].to_owned()),
                ("more", format!("{whole}x")),
                ("two", format!("{whole}{whole}")),
                ("a byte order mark", format!("\u{feff}{whole}")),
                ("half a surrogate", whole.replace("datum", "\\ud800")),
                ("a line feed in a string", whole.replace("datum", "da\ntum")),
                ("a trailing comma", whole.replace('}', ",}")),
                ("a comment", format!("/**/{whole}")),
                ("NaN", datum("NaN")),
            ],
        ),
        (
            400,
            "invalid-request",
            vec![
                ("a string", "\"x\"".to_owned()),
                ("null", "null".to_owned()),
                ("an array", format!("[{whole}]")),
                (
                    "an array for the object",
                    json!([API_KEY, USER, "datum"]).to_string(),
                ),
                ("a field twice", with(r#""sensitiveData":"x""#)),
                ("the key twice", with(&format!(r#""apiKey":"{API_KEY}""#))),
                ("an unknown field", with(r#""<datum>":1"#)),
                (
                    "many fields",
                    with(
                        &(0..50)
                            .map(|i| format!(r#""f{i}":1"#))
                            .collect::<Vec<_>>()
                            .join(","),
                    ),
                ),
                (
                    "a name in other case",
                    whole.replace("sensitiveData", "sensitivedata"),
                ),
                ("a number", datum("1")),
                ("a huge number", datum("123456789012345678901234567890")),
                ("null datum", datum("null")),
                ("an object datum", datum("{}")),
                ("a mixed array", datum("[\"x\",1]")),
                ("an array of arrays", datum("[[\"x\"]]")),
                ("1,001 data", datum(&json!(vec!["x"; 1001]).to_string())),
                ("no datum", format!("{start}}}")),
                (
                    "no user",
                    json!({"apiKey": API_KEY, "sensitiveData": "x"}).to_string(),
                ),
                ("a user of another type", user("1")),
                ("a key of another type", key("1")),
                ("a cipher that is none", with(r#""cipher":"sha256""#)),
                ("a cipher of another type", with(r#""cipher":null"#)),
                ("16 levels", nested(15)),
            ],
        ),
        (
            413,
            "too-large",
            vec![
                ("17 levels", nested(16)),
                ("100,000 levels", nested(100_000)),
                ("over 1 MB", whole.replace("datum", &"x".repeat(1_000_000))),
            ],
        ),
        (
            400,
            "invalid-uuid",
            vec![
                ("not a UUID", user("\"x\"")),
                (
                    "a UUID without hyphens",
                    user(&format!("\"{}\"", USER.replace('-', ""))),
                ),
                ("a UUID in braces", user(&format!("\"{{{USER}}}\""))),
                ("a UUID as URN", user(&format!("\"urn:uuid:{USER}\""))),
                ("a UUID and a space", user(&format!("\"{USER} \""))),
            ],
        ),
        (
            401,
            "unauthorized",
            vec![
                (
                    "an unknown key",
                    key(&format!("\"{}\"", API_KEY.replace('t', "T"))),
                ),
                ("an empty key", key("\"\"")),
                (
                    "no key",
                    json!({"userUUID": USER, "sensitiveData": "x"}).to_string(),
                ),
            ],
        ),
    ];
    for (status, code, cases) in cases {
        for (case, body) in cases {
            assert_ne!(body, whole, "{case}");
            let answer = process.call(post_json("/encrypt", body)).await;
            answer.is_problem(case, status, code);
            // No value of the request comes back.
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            for sent in ["datum", USER, API_KEY, "sha256"] {
                assert!(!text.contains(sent), "{case}: {text}");
            }
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
    let refused = [
        (
            400,
            "invalid-request",
            vec![
                ("no data", "/verify", json!({"encryptedData": digest})),
                (
                    "nothing to compare",
                    "/verify",
                    json!({"sensitiveData": "x"}),
                ),
                (
                    "both names",
                    "/verify",
                    json!({"sensitiveData": "x", "encryptedData": "x", "encrypted_data": "x"}),
                ),
                (
                    "a cipher",
                    "/verify",
                    json!({"sensitiveData": "x", "encryptedData": "x", "cipher": "aes-256-gcm"}),
                ),
                (
                    "one and many",
                    "/verify",
                    json!({"sensitiveData": "x", "encryptedData": ["x"]}),
                ),
                (
                    "two and one",
                    "/verify",
                    json!({"sensitiveData": ["x", "y"], "encryptedData": ["x"]}),
                ),
                ("nothing", "/decrypt", json!({})),
                (
                    "data",
                    "/decrypt",
                    json!({"encryptedData": "x", "sensitiveData": "x"}),
                ),
                ("a number", "/decrypt", json!({"encryptedData": 1})),
                (
                    "both names",
                    "/decrypt",
                    json!({"encryptedData": "x", "encrypted_data": "x"}),
                ),
            ],
        ),
        (
            422,
            "not-reversible",
            vec![("a digest", "/decrypt", json!({"encryptedData": digest}))],
        ),
        (
            422,
            "integrity-failure",
            vec![
                ("nothing of ours", "/decrypt", json!({"encryptedData": "x"})),
                ("an empty text", "/decrypt", json!({"encryptedData": ""})),
            ],
        ),
    ];
    for (status, code, cases) in refused {
        for (case, path, fields) in cases {
            process.post(path, USER, fields).await.is_problem(
                &format!("{path}, {case}"),
                status,
                code,
            );
        }
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
    assert!(
        stack.record_versions("").await.is_empty(),
        "a user was made"
    );
    assert_eq!(stack.emulator.calls().kms(), 0);
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

/// The longest data that `/encrypt` accepts come back, whatever a serializer makes of the context.
#[tokio::test]
async fn the_longest_data_come_back() {
    let stack = Stack::start().await;
    let process = stack.process();
    let control_characters = "\u{1}".repeat(1024);
    for (count, len, context) in [
        (1, 749_173, ""),
        (1, 744_565, control_characters.as_str()),
        (1000, 673, ""),
        (1000, 667, control_characters.as_str()),
    ] {
        let case = format!("{count} of {len} bytes, a context of {}", context.len());
        let fields = |len: usize| {
            let data = vec!["x".repeat(len); count];
            json!({"sensitiveData": data, "cipher": "aes-256-gcm", "context": context})
        };
        let refused = process.post("/encrypt", USER, fields(len + 1)).await;
        refused.is_problem(&case, 413, "too-large");
        let values = process.post("/encrypt", USER, fields(len)).await.ok();
        let fields = json!({"encryptedData": values["encrypted_data"], "context": context});
        let opened = process.post("/decrypt", USER, fields).await.ok();
        assert_eq!(opened["errors"], json!([]), "{case}");
    }
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
        (Some("application/json"), Some("Identity"), true),
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
