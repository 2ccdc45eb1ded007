//! Nothing of a request reaches the log or the audit trail, whatever goes wrong.
//!
//! Runs in its own process, because it reads everything that the process logs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use axum::{Router, body::Body};
use caas_audit::Trail;
use caas_aws::Clients;
use caas_clients::KeyHash;
use caas_testing::{Log, Stack, USER_KEY, USER_KEYS, send, settings};
use encrypt_data::{Config, Service};
use http::{Method, Request};
use serde_json::{Value, json};

const API_KEY: &str = "caas_CANARY-key-CANARY-key-CANARY-key-CANARY-key08Sacg";
/// A UUID can be a name.
const USER: &str = "ca9a6ca9-ca9a-4ca9-8ca9-ca9a6ca9a6ca";
const SECRETS: [&str; 4] = ["CANARY", "ca9a6", "CA9A6", "caas:v2"];
/// Named only by the lines that count its values.
const CLIENT: &str = "acme";

/// The function with its own memory.
fn router(clients: &Clients, trail: &Log) -> Router {
    let settings = settings([
        ("API_KEYS", &format!("acme:{}", KeyHash::of(API_KEY))),
        ("CIPHER_POOL", "sha256"),
        ("SALT_POOL", "64"),
        ("MAX_BODY_BYTES", "2000"),
    ]);
    let mut config = Config::read(&settings).unwrap();
    config.http.edge.trail = Trail::new(trail.clone(), None);
    encrypt_data::router(Arc::new(Service::new(config, clients)))
}

async fn call(router: &Router, method: Method, path: &str, body: &str) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .header("user-agent", "CANARY-agent")
        .header("x-request-id", "CANARY-id");
    let request = match body {
        "" => request.header("x-api-key", API_KEY),
        _ => request,
    };
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let response = send(router, request).await;
    let body = serde_json::from_slice(&response.body).unwrap_or_default();
    (response.status.as_u16(), body)
}

#[tokio::test]
async fn no_canary_in_the_log() {
    let log = Log::capture();
    let trail = Log::default();
    let stack = Stack::start().await;
    let clients = &stack.clients;
    let (s3, kms) = (&clients.s3, &clients.kms);

    let warm = router(clients, &trail);
    let post = |path, user: &str, fields: Value| {
        let mut body = json!({"apiKey": API_KEY, "userUUID": user});
        let fields = fields.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(fields);
        (Method::POST, path, body.to_string())
    };
    let datum = || json!({"sensitiveData": "CANARY-datum"});
    let sealed = json!({"sensitiveData": "CANARY-datum", "cipher": "aes-256-gcm"});
    let (_, path, body) = post("/encrypt", USER, sealed.clone());
    let (_, encrypted) = call(&warm, Method::POST, path, &body).await;
    let value = encrypted["encrypted_data"].as_str().unwrap();
    let digest = "0".repeat(64);
    let by_key = json!({"apiKey": "CANARY", "userUUID": USER}).to_string();
    let user_path = format!("/users/{USER}");
    let rotate = format!("{user_path}/rotate");
    let mut requests: Vec<_> = [
        ("/encrypt", sealed),
        (
            "/encrypt",
            json!({"sensitiveData": ["CANARY-datum", "CANARY-2"]}),
        ),
        ("/encrypt", json!({"CANARY-field": "CANARY-value"})),
        ("/encrypt", json!({"sensitiveData": {"CANARY": 1}})),
        (
            "/encrypt",
            json!({"sensitiveData": "x", "cipher": "CANARY-cipher"}),
        ),
        ("/encrypt", json!({"sensitiveData": "CANARY".repeat(1000)})),
        (
            "/verify",
            json!({"sensitiveData": "CANARY", "encryptedData": value}),
        ),
        (
            "/verify",
            json!({"sensitiveData": "CANARY", "encryptedData": digest}),
        ),
        ("/decrypt", json!({"encryptedData": value})),
        (
            "/decrypt",
            json!({"encryptedData": [value, "CANARY", digest]}),
        ),
        ("/decrypt", json!({"encryptedData": "CANARY-value"})),
    ]
    .map(|(path, fields)| post(path, USER, fields))
    .into();
    requests.extend([
        post("/encrypt", &USER.to_uppercase(), datum()),
        post("/encrypt", "CANARY-user", datum()),
        (Method::POST, "/encrypt", "CANARY-not-json".to_owned()),
        (Method::POST, "/encrypt", by_key),
        (Method::POST, "/CANARY-path", "CANARY-body".to_owned()),
        (Method::GET, &user_path, String::new()),
        (Method::GET, "/users/CANARY", String::new()),
        (Method::POST, &rotate, String::new()),
    ]);
    let mut statuses = Vec::new();
    let mut send_all = async |router: &Router| {
        for (method, path, body) in &requests {
            let (status, _) = call(router, method.clone(), path, body).await;
            statuses.push(status);
        }
    };
    send_all(&warm).await;
    send_all(&router(clients, &trail)).await;
    let key = stack.emulator.key_arn(USER_KEY).unwrap();
    kms.disable_key().key_id(&key).send().await.unwrap();
    send_all(&router(clients, &trail)).await;
    kms.enable_key().key_id(&key).send().await.unwrap();

    // A record that somebody edited, and one that is nothing.
    let record = format!("acme/{USER}.json");
    let get = s3.get_object().bucket(USER_KEYS).key(&record);
    let object = get.send().await.unwrap();
    let text = object.body.collect().await.unwrap().to_vec();
    let text = String::from_utf8(text).unwrap();
    for damaged in [
        text.replace("\"body\":\"", "\"body\":\"AAAA"),
        "CANARY-record".to_owned(),
    ] {
        stack.put_raw(USER_KEYS, &record, damaged.as_bytes()).await;
        send_all(&router(clients, &trail)).await;
    }
    let (of_delete, _) = call(&warm, Method::DELETE, &user_path, "").await;
    stack.emulator.shutdown().await;
    send_all(&router(clients, &trail)).await;
    statuses.push(of_delete);

    for expected in [200, 400, 401, 404, 413, 422, 503] {
        assert!(statuses.contains(&expected), "{expected} was not provoked");
    }
    // One more than asked for here: the first value.
    assert_eq!(log.requests().len(), statuses.len() + 1);
    assert!(log.text().contains("a user's record cannot be used"));
    log.lacks(&SECRETS);
    trail.lacks(&SECRETS);
    let lines = trail.audit();
    let outcomes = lines.iter().filter(|line| line["audit"] == "outcome");
    assert_eq!(outcomes.count(), log.requests().len());
    let text = log.text();
    let named = text.lines().find(|line| line.contains(CLIENT));
    assert_eq!(named, None);
    insta::assert_snapshot!(log.line("request"), @r#"{"timestamp":…,"level":"INFO","message":"request","method":"POST","route":"/encrypt","status":200,"duration_ms":…,"size":"1kB","span":{"request_id":…,"name":"request"}}"#);
}
