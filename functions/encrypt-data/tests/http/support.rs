//! Processes on S3 and KMS in this process, and what users do with them.

use std::{ops::Deref, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use base64::{Engine, prelude::BASE64_STANDARD};
use caas_audit::Trail;
use caas_aws::{KmsKey, Moment};
use caas_clients::ApiKeys;
use caas_crypto::{RecordKey, UserId, UserKeyset};
use caas_emulator::Calls;
use caas_testing::{
    API_KEY, ManualClock, TestResponse, USER_KEY, USER_KEYS, clients, post_json, request, send,
    settings,
};
use caas_users::UserKeys;
use encrypt_data::{Config, Service};
use http::{Method, Request};
use serde_json::{Value, json};

pub(crate) const USER: &str = "0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e11";
pub(crate) const OTHER_USER: &str = "0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e12";

/// S3 and KMS, as all processes share them.
pub(crate) struct Stack(caas_testing::Stack);

impl Deref for Stack {
    type Target = caas_testing::Stack;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Stack {
    pub(crate) async fn start() -> Self {
        Self(caas_testing::Stack::start().await)
    }

    /// Stops and starts S3 and KMS.
    pub(crate) async fn restart(self) -> Self {
        Self(self.0.restart().await)
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

    /// A user's record.
    pub(crate) async fn record(&self, key: &str) -> Value {
        serde_json::from_slice(&self.record_text(key).await).unwrap()
    }

    /// What is sealed in this S3 version of a user's record.
    pub(crate) async fn keyset(&self, user: &str, version_id: &str) -> UserKeyset {
        let get = self.clients.s3.get_object().bucket(USER_KEYS);
        let get = get.key(record_of(user)).version_id(version_id);
        let body = get.send().await.unwrap().body;
        let json = body.collect().await.unwrap().to_vec();
        let record: Value = serde_json::from_slice(&json).unwrap();
        let bytes = |field: &str| BASE64_STANDARD.decode(text(&record[field])).unwrap();
        let user = UserId {
            client: "acme".parse().unwrap(),
            user: user.parse().unwrap(),
        };
        let kms = KmsKey::new(self.clients.kms.clone(), USER_KEY);
        let context = user.record_context();
        let pairs = context.iter().map(|(name, value)| (*name, value.as_str()));
        let key = kms.unwrap(&bytes("wrapped_key"), pairs).await.unwrap();
        let key = RecordKey::try_from(key.as_slice()).unwrap();
        UserKeyset::open(&key, &user, &bytes("body")).unwrap()
    }

    pub(crate) async fn record_text(&self, key: &str) -> Vec<u8> {
        let get = self.clients.s3.get_object().bucket(USER_KEYS).key(key);
        let object = get.send().await.unwrap();
        object.body.collect().await.unwrap().to_vec()
    }

    /// Replaces a record.
    pub(crate) async fn overwrite(&self, key: &str, text: impl AsRef<[u8]>) {
        self.put_raw(USER_KEYS, key, text.as_ref()).await;
    }

    /// The version ids of a record in S3, newest first.
    pub(crate) async fn record_versions(&self, key: &str) -> Vec<String> {
        let list = self.clients.s3.list_object_versions().bucket(USER_KEYS);
        let versions = list.prefix(key).send().await.unwrap().versions;
        let ids = versions.unwrap_or_default().into_iter();
        ids.map(|version| version.version_id.unwrap()).collect()
    }
}

/// Where the record of a user of `acme` is.
pub(crate) fn record_of(user: &str) -> String {
    format!("acme/{}.json", user.to_lowercase())
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
    pub(crate) trail: Trail,
}

impl Options {
    /// A process that sends every request to S3 and KMS once.
    pub(crate) fn process(self, stack: &Stack) -> Process {
        let emulator = &stack.emulator;
        let s3_url = self.s3_url.unwrap_or_else(|| emulator.s3_url());
        let kms_url = self.kms_url.unwrap_or_else(|| emulator.kms_url());
        let (id, secret) = (emulator.access_key_id(), emulator.secret_access_key());
        let Config {
            mut http,
            api_keys,
            mut users,
        } = Config::read(&settings([])).unwrap();
        http.edge.trail = self.trail;
        if let Some(ciphers) = self.ciphers {
            users.options.ciphers = ciphers.parse().unwrap();
        }
        if let Some(seconds) = self.cache_seconds {
            users.options.cache_for = Duration::from_secs(seconds);
        }
        let keys = UserKeys::with_clock(
            clients::s3(&s3_url, id, secret),
            KmsKey::new(clients::kms(&kms_url, id, secret), users.key_id),
            users.options,
            self.clock
                .map_or(Arc::new(Moment::now), |clock| clock.clock()),
        );
        Process {
            router: encrypt_data::router(Arc::new(Service {
                http,
                api_keys: ApiKeys::new(api_keys.configured, None),
                keys,
            })),
        }
    }
}

/// The function, with its own memory.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) router: Router,
}

impl Process {
    pub(crate) async fn call(&self, request: Request<Body>) -> TestResponse {
        send(&self.router, request).await
    }

    /// A POST of JSON by `acme` about a user, with these fields besides.
    pub(crate) async fn post(&self, path: &str, user: &str, fields: Value) -> TestResponse {
        let mut body = json!({"apiKey": API_KEY, "userUUID": user});
        let fields = fields.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(fields);
        self.call(post_json(path, body.to_string())).await
    }

    /// A request without body by `acme`.
    pub(crate) async fn send(&self, method: Method, path: &str) -> TestResponse {
        self.call(request(method, API_KEY, path)).await
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

    pub(crate) async fn decrypt(&self, user: &str, encrypted: &str) -> TestResponse {
        self.post("/decrypt", user, json!({"encryptedData": encrypted}))
            .await
    }

    pub(crate) async fn rotate(&self, user: &str) -> u64 {
        let answer = self
            .send(Method::POST, &format!("/users/{user}/rotate"))
            .await;
        answer.ok()["version"].as_u64().unwrap()
    }

    /// Shreds a user's keys, and returns how many versions of the record that removed.
    pub(crate) async fn shred(&self, user: &str) -> u64 {
        let answer = self.send(Method::DELETE, &format!("/users/{user}")).await;
        let receipt = answer.ok();
        assert_eq!(receipt["request_id"], answer.header("x-request-id"));
        receipt["versions_removed"].as_u64().unwrap()
    }

    /// The numbers of the versions a user has.
    pub(crate) async fn version_numbers(&self, user: &str) -> Vec<u64> {
        let answer = self.send(Method::GET, &format!("/users/{user}")).await.ok();
        let versions = answer["versions"].as_array().unwrap();
        let numbers = versions.iter().map(|v| v["version"].as_u64().unwrap());
        numbers.collect()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
