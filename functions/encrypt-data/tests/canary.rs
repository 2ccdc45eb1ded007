//! Nothing of a request reaches the log, whatever goes wrong.
//!
//! A process of its own, since it reads everything that the process logs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_s3::config::{Region, retry::RetryConfig};
use axum::body::Body;
use caas_aws::KmsKey;
use caas_emulator::{BucketConfig, Config, Emulator};
use caas_http::{Edge, HttpConfig, hash_api_key};
use caas_settings::init_log;
use caas_users::{UserKeyOptions, UserKeys};
use encrypt_data::Service;
use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

const API_KEY: &str = "caas_CANARY-key-CANARY-key-CANARY-key-CANARY-key";
/// A UUID can be a name.
const USER: &str = "ca9a6ca9-ca9a-4ca9-8ca9-ca9a6ca9a6ca";
const SECRETS: [&str; 5] = ["CANARY", "ca9a6", "CA9A6", "acme", "caas:v1"];

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The function on the emulator, with a memory of its own.
fn router(s3: &aws_sdk_s3::Client, kms: &aws_sdk_kms::Client) -> axum::Router {
    let options = UserKeyOptions {
        bucket: "user-keys".to_owned(),
        ciphers: "sha256".parse().unwrap(),
        salts: "64".parse().unwrap(),
        cache_for: Duration::from_secs(60),
    };
    let http = HttpConfig {
        api_keys: format!("acme:{}", hash_api_key(API_KEY)).parse().unwrap(),
        max_body_bytes: 2_000,
        edge: Edge::default(),
    };
    let keys = UserKeys::new(s3.clone(), KmsKey::new(kms.clone(), "alias/users"), options);
    encrypt_data::router(Arc::new(Service { http, keys }))
}

async fn send(router: &axum::Router, method: Method, path: &str, body: &str) -> (u16, Value) {
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
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn no_canary_in_the_log() {
    let log = Log::default();
    let writer = log.clone();
    // Ours in full. The SDK's own debug lines name keys in S3, which is why the level is `info`
    // for everybody else.
    init_log(Some("trace"), move || writer.clone());

    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::new(folder.path());
    config.buckets.push(BucketConfig::versioned("user-keys"));
    config.key_aliases.push("alias/users".to_owned());
    let emulator = Emulator::start(config).await.unwrap();
    let (id, secret) = (emulator.access_key_id(), emulator.secret_access_key());
    let credentials = aws_sdk_s3::config::Credentials::new(id, secret, None, None, "test");
    let s3 = aws_sdk_s3::Config::builder()
        .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
        .credentials_provider(credentials.clone())
        .endpoint_url(emulator.s3_url())
        .force_path_style(true)
        .region(Region::new("us-east-1"))
        .retry_config(RetryConfig::disabled());
    let s3 = aws_sdk_s3::Client::from_conf(s3.build());
    let kms = aws_sdk_kms::Config::builder()
        .behavior_version(aws_sdk_kms::config::BehaviorVersion::latest())
        .credentials_provider(credentials)
        .endpoint_url(emulator.kms_url())
        .region(Region::new("us-east-1"))
        .retry_config(RetryConfig::disabled());
    let kms = aws_sdk_kms::Client::from_conf(kms.build());

    let warm = router(&s3, &kms);
    let body = |user: &str, fields: Value| {
        let mut body = json!({"apiKey": API_KEY, "userUUID": user});
        let fields = fields.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(fields);
        body.to_string()
    };
    let post = |path: &'static str, body: String| (Method::POST, path.to_owned(), body);
    let datum = json!({"sensitiveData": "CANARY-datum", "cipher": "aes-256-gcm"});
    let (_, sealed) = send(&warm, Method::POST, "/encrypt", &body(USER, datum.clone())).await;
    let value = sealed["encrypted_data"].as_str().unwrap();
    let user_path = format!("/users/{USER}");
    let requests = [
        post("/encrypt", body(USER, datum.clone())),
        post(
            "/encrypt",
            body(USER, json!({"sensitiveData": ["CANARY-datum", "CANARY-2"]})),
        ),
        post(
            "/encrypt",
            body(
                &USER.to_uppercase(),
                json!({"sensitiveData": "CANARY-datum"}),
            ),
        ),
        post(
            "/encrypt",
            body("CANARY-user", json!({"sensitiveData": "CANARY-datum"})),
        ),
        post(
            "/encrypt",
            body(USER, json!({"CANARY-field": "CANARY-value"})),
        ),
        post(
            "/encrypt",
            body(USER, json!({"sensitiveData": {"CANARY": 1}})),
        ),
        post(
            "/encrypt",
            body(
                USER,
                json!({"sensitiveData": "x", "cipher": "CANARY-cipher"}),
            ),
        ),
        post(
            "/encrypt",
            body(USER, json!({"sensitiveData": "CANARY".repeat(1000)})),
        ),
        post("/encrypt", "CANARY-not-json".to_owned()),
        post(
            "/encrypt",
            json!({"apiKey": "CANARY", "userUUID": USER}).to_string(),
        ),
        post(
            "/verify",
            body(
                USER,
                json!({"sensitiveData": "CANARY", "encryptedData": value}),
            ),
        ),
        post(
            "/verify",
            body(
                USER,
                json!({"sensitiveData": "CANARY", "encryptedData": "0".repeat(64)}),
            ),
        ),
        post("/decrypt", body(USER, json!({"encryptedData": value}))),
        post(
            "/decrypt",
            body(
                USER,
                json!({"encryptedData": [value, "CANARY", "0".repeat(64)]}),
            ),
        ),
        post(
            "/decrypt",
            body(USER, json!({"encryptedData": "CANARY-value"})),
        ),
        post("/CANARY-path", "CANARY-body".to_owned()),
        (Method::GET, user_path.clone(), String::new()),
        (Method::GET, "/users/CANARY".to_owned(), String::new()),
        (Method::POST, format!("{user_path}/rotate"), String::new()),
    ];
    let mut statuses = Vec::new();
    let mut send_all = async |router: &axum::Router| {
        for (method, path, body) in &requests {
            let (status, _) = send(router, method.clone(), path, body).await;
            statuses.push(status);
        }
    };
    send_all(&warm).await;
    send_all(&router(&s3, &kms)).await;
    let key = emulator.key_arn("alias/users").unwrap();
    kms.disable_key().key_id(&key).send().await.unwrap();
    send_all(&router(&s3, &kms)).await;
    kms.enable_key().key_id(&key).send().await.unwrap();

    // A record that somebody edited, and one that is nothing.
    let record = format!("acme/{USER}.json");
    let get = s3
        .get_object()
        .bucket("user-keys")
        .key(&record)
        .send()
        .await
        .unwrap();
    let text = get.body.collect().await.unwrap().to_vec();
    let text = String::from_utf8(text).unwrap();
    for damaged in [text.replace("sha256", "blake3"), "CANARY-record".to_owned()] {
        let put = s3.put_object().bucket("user-keys").key(&record);
        put.body(damaged.into_bytes().into()).send().await.unwrap();
        send_all(&router(&s3, &kms)).await;
    }
    let (of_delete, _) = send(&warm, Method::DELETE, &user_path, "").await;
    emulator.shutdown().await;
    send_all(&router(&s3, &kms)).await;
    statuses.push(of_delete);

    for expected in [200, 400, 401, 404, 413, 422, 503] {
        assert!(statuses.contains(&expected), "{expected} was not provoked");
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let of_requests = |line: &&str| line.contains(r#""message":"request""#);
    assert_eq!(log.lines().filter(of_requests).count(), statuses.len() + 1);
    assert!(log.contains("a user's record cannot be used"));
    for secret in SECRETS {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret} in the log: {line:?}");
    }
}
