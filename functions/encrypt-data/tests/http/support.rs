//! S3 and KMS on loopback, processes on them, requests and answers.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body};
use caas_aws::KmsKey;
use caas_emulator::{BucketConfig, Calls, Config, Emulator};
use caas_http::{Edge, HttpConfig, hash_api_key};
use caas_users::{Clock, Moment, UserKeyOptions, UserKeys};
use encrypt_data::Service;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

/// The key of the client `acme`.
pub(crate) const API_KEY: &str = "caas_tests-only-tests-only-tests-only-tests-only";
/// The key of another client.
pub(crate) const OTHER_API_KEY: &str = "caas_other-only-other-only-other-only-other-only";

pub(crate) const USER: &str = "0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e11";
pub(crate) const OTHER_USER: &str = "0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e12";

pub(crate) const BUCKET: &str = "user-keys";
const KEY: &str = "alias/users";

/// S3 and KMS, as all processes share them.
pub(crate) struct Stack {
    pub(crate) emulator: Emulator,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) kms: aws_sdk_kms::Client,
    folder: TempDir,
}

impl Stack {
    pub(crate) async fn start() -> Self {
        Self::start_in(TempDir::new().unwrap()).await
    }

    async fn start_in(folder: TempDir) -> Self {
        let mut config = Config::new(folder.path());
        config.buckets.push(BucketConfig::versioned(BUCKET));
        config.key_aliases.push(KEY.to_owned());
        let emulator = Emulator::start(config).await.unwrap();
        Self {
            s3: s3(&emulator, &emulator.s3_url()),
            kms: kms(&emulator, &emulator.kms_url()),
            emulator,
            folder,
        }
    }

    /// Stops and starts S3 and KMS.
    pub(crate) async fn restart(self) -> Self {
        self.emulator.shutdown().await;
        Self::start_in(self.folder).await
    }

    /// A process that has just started.
    pub(crate) fn process(&self) -> Process {
        Options::default().process(self)
    }

    /// The requests that reached S3 and KMS in the meantime.
    pub(crate) fn requests_since(&self, earlier: &Calls) -> (u64, u64) {
        let calls = self.emulator.calls().since(earlier);
        (calls.s3(), calls.kms())
    }

    /// A user's record, as it lies there.
    pub(crate) async fn record(&self, key: &str) -> Value {
        serde_json::from_slice(&self.record_text(key).await).unwrap()
    }

    /// A user's record, as it was once.
    pub(crate) async fn record_version(&self, key: &str, version_id: &str) -> Value {
        let get = self.s3.get_object().bucket(BUCKET).key(key);
        let object = get.version_id(version_id).send().await.unwrap();
        let text = object.body.collect().await.unwrap().to_vec();
        serde_json::from_slice(&text).unwrap()
    }

    pub(crate) async fn record_text(&self, key: &str) -> Vec<u8> {
        let get = self.s3.get_object().bucket(BUCKET).key(key);
        let object = get.send().await.unwrap();
        object.body.collect().await.unwrap().to_vec()
    }

    /// Puts something in the place of a record.
    pub(crate) async fn overwrite(&self, key: &str, text: impl Into<Vec<u8>>) {
        let put = self.s3.put_object().bucket(BUCKET).key(key);
        put.body(text.into().into()).send().await.unwrap();
    }

    /// The version ids of a record in S3, newest first.
    pub(crate) async fn versions(&self, key: &str) -> Vec<String> {
        let list = self.s3.list_object_versions().bucket(BUCKET).prefix(key);
        let versions = list.send().await.unwrap().versions.unwrap_or_default();
        let ids = versions.into_iter().map(|v| v.version_id.unwrap());
        ids.collect()
    }
}

/// Where the record of a user of `acme` is.
pub(crate) fn record_of(user: &str) -> String {
    format!("acme/{}.json", user.to_lowercase())
}

pub(crate) fn s3(emulator: &Emulator, url: &str) -> aws_sdk_s3::Client {
    use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
    let (id, secret) = (emulator.access_key_id(), emulator.secret_access_key());
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new(id, secret, None, None, "test"))
        .endpoint_url(url)
        .force_path_style(true)
        .region(Region::new("us-east-1"))
        .retry_config(RetryConfig::disabled());
    aws_sdk_s3::Client::from_conf(config.build())
}

pub(crate) fn kms(emulator: &Emulator, url: &str) -> aws_sdk_kms::Client {
    use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
    let (id, secret) = (emulator.access_key_id(), emulator.secret_access_key());
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new(id, secret, None, None, "test"))
        .endpoint_url(url)
        .region(Region::new("us-east-1"))
        .retry_config(RetryConfig::disabled());
    aws_sdk_kms::Client::from_conf(config.build())
}

/// A clock that goes when it is told to.
#[derive(Clone)]
pub(crate) struct ManualClock(Arc<Mutex<Moment>>);

impl ManualClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Moment::now())))
    }

    pub(crate) fn advance_wall(&self, by: Duration) {
        self.0.lock().unwrap().wall += by;
    }

    pub(crate) fn set_back_wall(&self, by: Duration) {
        self.0.lock().unwrap().wall -= by;
    }

    pub(crate) fn advance_monotonic(&self, by: Duration) {
        self.0.lock().unwrap().monotonic += by;
    }

    fn clock(&self) -> Clock {
        let moment = Arc::clone(&self.0);
        Arc::new(move || *moment.lock().unwrap())
    }
}

/// What a process is started with.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) ciphers: Option<&'static str>,
    pub(crate) clock: Option<ManualClock>,
    pub(crate) cache_seconds: Option<u64>,
    /// Instead of the emulator's own.
    pub(crate) s3_url: Option<String>,
    pub(crate) kms_url: Option<String>,
}

impl Options {
    pub(crate) fn process(self, stack: &Stack) -> Process {
        let emulator = &stack.emulator;
        let s3_url = self.s3_url.unwrap_or_else(|| emulator.s3_url());
        let kms_url = self.kms_url.unwrap_or_else(|| emulator.kms_url());
        let ciphers = self.ciphers.map(|pool| pool.parse().unwrap());
        let options = UserKeyOptions {
            bucket: BUCKET.to_owned(),
            ciphers: ciphers.unwrap_or_default(),
            salts: Default::default(),
            cache_for: Duration::from_secs(self.cache_seconds.unwrap_or(60)),
        };
        let clock = self.clock.map(|clock| clock.clock());
        let keys = UserKeys::with_clock(
            s3(emulator, &s3_url),
            KmsKey::new(kms(emulator, &kms_url), KEY),
            options,
            clock.unwrap_or_else(|| Arc::new(Moment::now)),
        );
        let (acme, globex) = (hash_api_key(API_KEY), hash_api_key(OTHER_API_KEY));
        let http = HttpConfig {
            api_keys: format!("acme:{acme},globex:{globex}").parse().unwrap(),
            max_body_bytes: 4_500_000,
            edge: Edge::default(),
        };
        Process {
            router: encrypt_data::router(Arc::new(Service { http, keys })),
        }
    }
}

/// The function, with its own memory.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) router: Router,
}

impl Process {
    pub(crate) async fn call(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes().into(),
        }
    }

    /// A POST of JSON by `acme` about a user, with these fields besides.
    pub(crate) async fn post(&self, path: &str, user: &str, fields: Value) -> Answer {
        let mut body = json!({"apiKey": API_KEY, "userUUID": user});
        let fields = fields.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(fields);
        self.call(post(path, body.to_string())).await
    }

    /// A request without body by `acme`.
    pub(crate) async fn send(&self, method: Method, path: &str) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("x-api-key", API_KEY);
        self.call(request.body(Body::empty()).unwrap()).await
    }

    /// The digest of a datum.
    pub(crate) async fn digest(&self, user: &str, datum: &str) -> String {
        let answer = self
            .post("/encrypt", user, json!({"sensitiveData": datum}))
            .await;
        text(&answer.ok()["encrypted_data"])
    }

    /// Checks that there is no digest for what is not a user.
    pub(crate) async fn digest_refused(&self, user: &str) {
        let answer = self
            .post("/encrypt", user, json!({"sensitiveData": "datum"}))
            .await;
        answer.is_problem(user, 400, "invalid-uuid");
    }

    /// The reversible value of a datum.
    pub(crate) async fn seal(&self, user: &str, datum: &str) -> String {
        let fields = json!({"sensitiveData": datum, "cipher": "aes-256-gcm"});
        let answer = self.post("/encrypt", user, fields).await;
        text(&answer.ok()["encrypted_data"])
    }

    pub(crate) async fn verify(&self, user: &str, datum: &str, encrypted: &str) -> bool {
        let fields = json!({"sensitiveData": datum, "encryptedData": encrypted});
        let answer = self.post("/verify", user, fields).await;
        answer.ok()["valid"].as_bool().unwrap()
    }

    pub(crate) async fn decrypt(&self, user: &str, encrypted: &str) -> Answer {
        self.post("/decrypt", user, json!({"encryptedData": encrypted}))
            .await
    }

    pub(crate) async fn rotate(&self, user: &str) -> u64 {
        let answer = self
            .send(Method::POST, &format!("/users/{user}/rotate"))
            .await;
        answer.ok()["version"].as_u64().unwrap()
    }

    pub(crate) async fn shred(&self, user: &str) {
        let answer = self.send(Method::DELETE, &format!("/users/{user}")).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert!(answer.body.is_empty());
    }

    /// The numbers of the versions a user has.
    pub(crate) async fn version_numbers(&self, user: &str) -> Vec<u64> {
        let answer = self.send(Method::GET, &format!("/users/{user}")).await.ok();
        let versions = answer["versions"].as_array().unwrap();
        let numbers = versions.iter().map(|v| v["version"].as_u64().unwrap());
        numbers.collect()
    }
}

pub(crate) fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.into())
        .unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
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

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        let body = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, StatusCode::OK, "{body}");
        self.json()
    }

    /// Checks that this is a complete problem document.
    #[track_caller]
    pub(crate) fn is_problem(&self, case: &str, status: u16, code: &str) {
        let body = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{case}: {body}");
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{case}"
        );
        let problem = self.json();
        assert_eq!(
            problem["type"],
            format!("/problems/{code}"),
            "{case}: {body}"
        );
        assert_eq!(problem["status"], status, "{case}");
        assert_eq!(problem["instance"], self.header("x-request-id"), "{case}");
        assert_eq!(problem.as_object().unwrap().len(), 5, "{case}");
    }
}
