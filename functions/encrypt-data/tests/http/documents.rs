//! The problem documents, word for word.

use caas_testing::{API_KEY, USER_KEY, post_json, problem_documents, request};
use http::Method;
use serde_json::{Value, json};

use crate::support::{OTHER_USER, Stack, USER};

#[tokio::test]
async fn problem_documents_are_pinned() {
    let stack = Stack::start().await;
    let process = stack.process();
    let digest = process.digest(USER, "datum").await;
    let about = |path: &str, user: &str, fields: Value| {
        let mut body = json!({"apiKey": API_KEY, "userUUID": user});
        let fields = fields.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(fields);
        post_json(path, body.to_string())
    };
    let datum = || json!({"sensitiveData": "datum"});
    let many = "x".repeat(1_000_000);
    let bare = |method: Method, path: &str| request(method, API_KEY, path);
    let requests = [
        ("no API key", post_json("/encrypt", "{}")),
        ("no JSON", post_json("/encrypt", "{")),
        ("an array", post_json("/encrypt", "[]")),
        ("nothing sent", about("/encrypt", USER, json!({}))),
        ("a field missing", about("/verify", USER, datum())),
        (
            "a field unknown",
            about("/encrypt", USER, json!({"sensitiveData": "x", "x": 1})),
        ),
        (
            "a wrong type",
            about("/encrypt", USER, json!({"sensitiveData": 1})),
        ),
        (
            "an unknown cipher",
            about(
                "/encrypt",
                USER,
                json!({"sensitiveData": "x", "cipher": "sha256"}),
            ),
        ),
        (
            "one and many",
            about(
                "/verify",
                USER,
                json!({"sensitiveData": "x", "encryptedData": ["x"]}),
            ),
        ),
        ("not a UUID", about("/encrypt", "x", datum())),
        (
            "too long",
            about("/encrypt", USER, json!({"sensitiveData": many})),
        ),
        (
            "a digest",
            about("/decrypt", USER, json!({"encryptedData": digest})),
        ),
        (
            "a foreign value",
            about("/decrypt", USER, json!({"encryptedData": "x"})),
        ),
        ("no JSON type", bare(Method::POST, "/encrypt")),
        (
            "a user without keys",
            bare(Method::GET, &format!("/users/{OTHER_USER}")),
        ),
        ("an unknown path", bare(Method::GET, "/nothing")),
        (
            "a wrong method",
            bare(Method::PUT, &format!("/users/{USER}")),
        ),
    ];
    let mut documents = problem_documents(&process.router, requests).await;
    let key = stack.emulator.key_arn(USER_KEY).unwrap();
    let disable = stack.clients.kms.disable_key().key_id(&key);
    disable.send().await.unwrap();
    let cold = stack.process().router;
    let request = about("/encrypt", USER, datum());
    documents += &problem_documents(&cold, [("a disabled KMS key", request)]).await;
    insta::assert_snapshot!(documents);
}
