//! Nothing of a request reaches the log, whatever goes wrong.
//!
//! A process of its own, since it reads everything that the process logs.

use std::{
    io, panic,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Body, routing::get};
use caas_http::{Edge, HttpConfig, hash_api_key};
use caas_settings::init_log;
use encrypt_file::Config;
use http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

const API_KEY: &str = "caas_CANARY-key-CANARY-key-CANARY-key-CANARY-key";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .expect("no panic while writing")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn form(name: &str, parts: &str) -> Vec<u8> {
    format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n\
         CANARY-content\r\n{parts}--b--\r\n"
    )
    .into_bytes()
}

#[tokio::test]
async fn no_canary_in_the_log() {
    let log = Log::default();
    let writer = log.clone();
    init_log(Some("trace"), move || writer.clone());

    let http = HttpConfig {
        api_keys: format!("acme:{}", hash_api_key(API_KEY)).parse().unwrap(),
        max_body_bytes: 2_000,
        edge: Edge::default(),
    };
    let router = encrypt_file::router(Arc::new(Config {
        http,
        public: false,
        url: None,
    }));

    let key = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let name = "CANARY-name.txt";
    let good_key = format!("CANARY_key_{}", "A".repeat(32));
    let whole = form(name, "");
    let mut garbled = whole.clone();
    garbled[5] = 0;
    let bodies = [
        whole.clone(),
        form("CANARY-name%0A", ""),
        form(name, &key("CANARY-field", "CANARY-value")),
        form(name, &key("key", "CANARY-value")),
        form(name, &key("key", &good_key)),
        form(name, &format!("{0}{0}", key("key", &good_key))),
        form(name, &key("key", &"CANARY-value".repeat(700))),
        form(&"CANARY-name".repeat(900), ""),
        whole[..whole.len() - 9].to_vec(),
        [&whole[..], &whole[..]].concat(),
        garbled,
        b"CANARY-content".to_vec(),
        b"CANARY-content".repeat(1_000),
    ];
    let mut statuses = Vec::new();
    for path in [
        "/encrypt_file",
        "/decrypt_file",
        "/CANARY-path?CANARY-query=1",
    ] {
        for content_type in ["multipart/form-data; boundary=b", "CANARY/type"] {
            for sent_key in [API_KEY, "CANARY-api-key"] {
                for body in &bodies {
                    let request = Request::post(path)
                        .header("content-type", content_type)
                        .header("x-api-key", sent_key)
                        .header("x-request-id", "CANARY-id")
                        .header("user-agent", "CANARY-agent")
                        .header("referer", "CANARY-referer")
                        .body(Body::from(body.clone()))
                        .unwrap();
                    let response = router.clone().oneshot(request).await.unwrap();
                    statuses.push(response.status().as_u16());
                    response.into_body().collect().await.unwrap();
                }
            }
        }
    }

    // A panic with content in its message, behind the same edge.
    let panics = Router::new().route("/", get(async || -> () { panic!("CANARY-panic") }));
    let request = Request::get("/").body(Body::empty()).unwrap();
    let response = Edge::default()
        .around(panics)
        .oneshot(request)
        .await
        .unwrap();
    statuses.push(response.status().as_u16());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    drop(panic::take_hook()); // from here on, a panic is the test's own
    assert!(!String::from_utf8_lossy(&body).contains("CANARY"));

    for expected in [200, 400, 401, 404, 413, 415, 422, 500] {
        assert!(statuses.contains(&expected), "{expected} was not provoked");
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let requests = log
        .lines()
        .filter(|line| line.contains(r#""message":"request""#))
        .count();
    assert_eq!(requests, statuses.len());
    assert!(log.contains(r#""message":"panic""#));
    for secret in ["CANARY", "/encrypt_file"] {
        assert!(!log.contains(secret), "{secret} in the log");
    }
    for line in log
        .lines()
        .filter(|line| line.contains(r#""message":"request""#))
    {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let fields: Vec<_> = line
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let known = [
            "duration_ms",
            "level",
            "message",
            "size",
            "span",
            "status",
            "timestamp",
        ];
        assert_eq!(fields, known);
    }
}
