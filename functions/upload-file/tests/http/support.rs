//! A service on an S3 and a KMS of the test's own; requests and responses at its edge.

use std::{sync::Arc, time::Duration};

use aws_sdk_s3::primitives::ByteStream;
use axum::{Router, body::Body};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use caas_aws::{Clients, ClientsConfig};
use caas_emulator::{BucketConfig, Config as EmulatorConfig, Emulator, FaultProxy};
use caas_http::hash_api_key;
use caas_settings::Settings;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use tempfile::TempDir;
use tower::ServiceExt;
use upload_file::{Config, Service};

pub(crate) const ACME: &str = "caas_tests-only-tests-only-tests-only-tests-acme";
pub(crate) const GLOBEX: &str = "caas_tests-only-tests-only-tests-only-test-globex";
pub(crate) const MAX_BODY_BYTES: u64 = 12_000_000;
pub(crate) const VAULT: &str = "vault";
pub(crate) const INBOX: &str = "inbox";
const BOUNDARY: &str = "multipart-boundary";

pub(crate) struct App {
    pub(crate) emulator: Emulator,
    pub(crate) clients: Clients,
    pub(crate) s3_proxy: FaultProxy,
    pub(crate) kms_proxy: FaultProxy,
    pub(crate) router: Router,
    _folder: TempDir,
}

impl App {
    pub(crate) async fn start() -> Self {
        Self::with_timeout(Duration::from_secs(60)).await
    }

    pub(crate) async fn without_inbox() -> Self {
        let mut config = config_of_tests();
        config.inbox = None;
        Self::with(config, Duration::from_secs(60)).await
    }

    /// A service that waits for S3 and KMS this long.
    pub(crate) async fn with_timeout(timeout: Duration) -> Self {
        Self::with(config_of_tests(), timeout).await
    }

    async fn with(service: Config, timeout: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = EmulatorConfig::new(folder.path());
        config.buckets = vec![
            BucketConfig::versioned(VAULT),
            BucketConfig::versioned(INBOX),
        ];
        config.key_aliases.push("alias/files".to_owned());
        let emulator = Emulator::start(config).await.unwrap();
        let s3_proxy = FaultProxy::start(emulator.s3_addr()).await.unwrap();
        let kms_proxy = FaultProxy::start(emulator.kms_addr()).await.unwrap();
        let connect = |s3: String, kms: String| {
            let credentials = (
                emulator.access_key_id().to_owned(),
                emulator.secret_access_key().to_owned(),
            );
            let config = ClientsConfig {
                s3_endpoint: Some(s3),
                kms_endpoint: Some(kms),
                region: Some(emulator.region().to_owned()),
                credentials: Some(credentials),
                s3_timeout: timeout,
                kms_timeout: timeout,
            };
            config.connect()
        };
        let clients = connect(emulator.s3_url(), emulator.kms_url()).await;
        let proxied = connect(s3_proxy.url(), kms_proxy.url()).await;
        Self {
            router: upload_file::router(Arc::new(Service::new(service, proxied))),
            emulator,
            clients,
            s3_proxy,
            kms_proxy,
            _folder: folder,
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().into();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// Uploads as acme, which must succeed, and answers the file's id.
    pub(crate) async fn upload(&self, name: &str, content: &[u8]) -> String {
        let answer = self.send(upload(ACME, name, content)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["file"]["id"].as_str().unwrap().to_owned()
    }

    /// The keys of all visible objects in a bucket.
    pub(crate) async fn visible(&self, bucket: &str) -> Vec<String> {
        let request = self.clients.s3.list_objects_v2().bucket(bucket);
        let objects = request.send().await.unwrap().contents.unwrap_or_default();
        objects
            .into_iter()
            .map(|object| object.key.unwrap())
            .collect()
    }

    /// How many versions and delete markers a bucket holds.
    pub(crate) async fn versions(&self, bucket: &str) -> (usize, usize) {
        let request = self.clients.s3.list_object_versions().bucket(bucket);
        let answer = request.send().await.unwrap();
        (answer.versions().len(), answer.delete_markers().len())
    }

    /// How many versions and delete markers there are of one key.
    pub(crate) async fn versions_of(&self, bucket: &str, key: &str) -> (usize, usize) {
        let request = self.clients.s3.list_object_versions().bucket(bucket);
        let answer = request.prefix(key).send().await.unwrap();
        let is_of = |other: Option<&str>| other == Some(key);
        let objects = answer.versions().iter().filter(|v| is_of(v.key()));
        let markers = answer.delete_markers().iter().filter(|m| is_of(m.key()));
        (objects.count(), markers.count())
    }

    /// How many multipart uploads of the vault are neither completed nor aborted.
    pub(crate) async fn multipart_uploads(&self) -> usize {
        let request = self.clients.s3.list_multipart_uploads().bucket(VAULT);
        request.send().await.unwrap().uploads().len()
    }

    /// Puts an object as it is.
    pub(crate) async fn put_raw(&self, bucket: &str, key: &str, body: &[u8]) {
        let request = self.clients.s3.put_object().bucket(bucket).key(key);
        let request = request.body(ByteStream::from(body.to_vec()));
        request.send().await.unwrap();
    }
}

pub(crate) fn config_of_tests() -> Config {
    let keys = [("acme", ACME), ("globex", GLOBEX)];
    let keys = keys.map(|(client, key)| format!("{client}:{}", hash_api_key(key)));
    let (keys, limit) = (keys.join(","), MAX_BODY_BYTES.to_string());
    let settings = Settings::from([
        ("API_KEYS", keys.as_str()),
        ("MAX_BODY_BYTES", limit.as_str()),
        ("VAULT_BUCKET", VAULT),
        ("INBOX_BUCKET", INBOX),
        ("FILE_KEY_ID", "alias/files"),
    ]);
    Config::read(&settings).unwrap()
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Checks that this is a complete problem document.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str, case: &str) {
        assert_eq!(self.status, status, "{case}: {}", self.text());
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{case}"
        );
        let problem = self.json();
        assert_eq!(problem["type"], format!("/problems/{code}"), "{case}");
        assert_eq!(problem["instance"], self.header("x-request-id"), "{case}");
    }

    /// Everything that a caller can tell this answer from another by, without the request's id.
    pub(crate) fn anonymous(mut self) -> (StatusCode, Vec<(String, String)>, String) {
        let id = self.header("x-request-id").to_owned();
        self.headers.remove("x-request-id");
        let text = self.text().replace(&id, "");
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.to_string(), format!("{value:?}")));
        (self.status, headers.collect(), text)
    }
}

/// A form with one file, after these headers.
pub(crate) fn form(headers: &str, content: &[u8]) -> Vec<u8> {
    let mut body = format!("--{BOUNDARY}\r\n{headers}\r\n\r\n").into_bytes();
    body.extend_from_slice(content);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    body
}

pub(crate) fn post(path: &str, key: &str, form: impl Into<Body>) -> Request<Body> {
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    Request::post(path)
        .header("content-type", content_type)
        .header("x-api-key", key)
        .body(form.into())
        .unwrap()
}

pub(crate) fn upload(key: &str, name: &str, content: &[u8]) -> Request<Body> {
    let headers = format!(
        "Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: text/x-notes; charset=utf-8"
    );
    post("/api/upload/", key, form(&headers, content))
}

pub(crate) fn request(method: Method, key: &str, path: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    request
        .header("x-api-key", key)
        .body(Body::empty())
        .unwrap()
}

pub(crate) fn get(key: &str, id: &str) -> Request<Body> {
    request(Method::GET, key, &format!("/api/files/{id}"))
}

pub(crate) fn with(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().append(name, value.parse().unwrap());
    request
}

/// Asks, as acme, for an upload of 100 bytes.
pub(crate) fn begin_upload(name: &str, mode: &str) -> Request<Body> {
    let body = serde_json::json!({"name": name, "size": 100, "mode": mode});
    Request::post("/api/uploads")
        .header("x-api-key", ACME)
        .header("content-type", "application/json")
        .body(body.to_string().into())
        .unwrap()
}

/// The id of a path.
pub(crate) fn id_of(path: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(path)
}

/// The path that an id stands for.
pub(crate) fn path_of(id: &str) -> String {
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(id).unwrap()).unwrap()
}

/// Bytes that do not repeat soon.
pub(crate) fn bytes(len: usize) -> Vec<u8> {
    (0..len as u64)
        .map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 37) as u8)
        .collect()
}
