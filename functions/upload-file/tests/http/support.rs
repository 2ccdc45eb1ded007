//! A service on S3 and KMS in this process, and requests to it.

use std::{ops::Deref, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use caas_audit::Trail;
use caas_testing::{
    API_KEY, Log, Proxies, Stack, TestResponse, form, post_form, post_json, request, settings, with,
};
use http::{Method, Request};
use serde_json::Value;
use upload_file::{Config, Service};

pub(crate) const MAX_BODY_BYTES: u64 = 12_000_000;

pub(crate) struct App {
    stack: Stack,
    /// Between the service and its S3 and KMS.
    pub(crate) proxies: Proxies,
    pub(crate) router: Router,
}

impl Deref for App {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        &self.stack
    }
}

impl App {
    pub(crate) async fn start() -> Self {
        Self::with_timeout(Duration::from_secs(60)).await
    }

    pub(crate) async fn without_inbox() -> Self {
        let mut config = config();
        config.inbox = None;
        Self::with(config, Duration::from_secs(60)).await
    }

    /// A service that waits for S3 and KMS this long.
    pub(crate) async fn with_timeout(timeout: Duration) -> Self {
        Self::with(config(), timeout).await
    }

    /// A service, and what its audit trail says.
    pub(crate) async fn audited() -> (Self, Log) {
        let log = Log::default();
        (Self::with_trail(Trail::new(log.clone(), None)).await, log)
    }

    pub(crate) async fn with_trail(trail: Trail) -> Self {
        let mut config = config();
        config.http.edge.trail = trail;
        Self::with(config, Duration::from_secs(60)).await
    }

    async fn with(config: Config, timeout: Duration) -> Self {
        let stack = Stack::start().await;
        let proxies = stack.proxies(timeout).await;
        let service = Service::new(config, proxies.clients.clone());
        Self {
            router: upload_file::router(Arc::new(service)),
            stack,
            proxies,
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> TestResponse {
        caas_testing::send(&self.router, request).await
    }

    /// Sends a request without a body, as acme.
    pub(crate) async fn ask(&self, method: Method, path: &str) -> TestResponse {
        self.send(request(method, API_KEY, path)).await
    }

    /// Sends JSON.
    pub(crate) async fn post(&self, key: &str, path: &str, body: &Value) -> TestResponse {
        let request = post_json(path, body.to_string());
        self.send(with(request, "x-api-key", key)).await
    }

    /// Uploads a file, which must succeed, and returns its id.
    pub(crate) async fn upload(&self, name: &str, content: &[u8]) -> String {
        let response = self.send(upload(API_KEY, name, content)).await;
        assert_eq!(response.status, 201, "{}", response.text());
        response.json()["file"]["id"].as_str().unwrap().to_owned()
    }

    /// How many versions and delete markers there are of one key.
    pub(crate) async fn versions_of(&self, bucket: &str, key: &str) -> (usize, usize) {
        let request = self.clients.s3.list_object_versions().bucket(bucket);
        let listed = request.prefix(key).send().await.unwrap();
        let is_of = |other: Option<&str>| other == Some(key);
        let objects = listed.versions().iter().filter(|v| is_of(v.key()));
        let markers = listed.delete_markers().iter().filter(|m| is_of(m.key()));
        (objects.count(), markers.count())
    }
}

fn config() -> Config {
    let settings = settings([("MAX_BODY_BYTES", &*MAX_BODY_BYTES.to_string())]);
    Config::read(&settings).unwrap()
}

/// A POST of a form, with an API key.
pub(crate) fn post(path: &str, key: &str, form: impl Into<Body>) -> Request<Body> {
    with(post_form(path, form), "x-api-key", key)
}

pub(crate) fn upload(key: &str, name: &str, content: &[u8]) -> Request<Body> {
    let headers = format!(
        "Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: text/x-notes; charset=utf-8"
    );
    post("/api/upload/", key, form(&[(&headers, content)]))
}

pub(crate) fn get(key: &str, id: &str) -> Request<Body> {
    request(Method::GET, key, &format!("/api/files/{id}"))
}

/// Asks, as acme, for an upload of 100 bytes.
pub(crate) fn begin_upload(name: &str, mode: &str) -> Request<Body> {
    let body = serde_json::json!({"name": name, "size": 100, "mode": mode}).to_string();
    with(post_json("/api/uploads", body), "x-api-key", API_KEY)
}

/// The id of a path.
pub(crate) fn id_of(path: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(path)
}

/// The path that an id stands for.
pub(crate) fn path_of(id: &str) -> String {
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(id).unwrap()).unwrap()
}
