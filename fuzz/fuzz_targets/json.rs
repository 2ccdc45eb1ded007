//! A JSON body. The API key is in a header, and may be in the body too.

#![no_main]

use std::sync::{Arc, LazyLock};

use axum::{body::Body, extract::FromRequest};
use caas_fuzz::block_on;
use caas_http::{API_KEY_HEADER, AuthenticatedJson, HttpConfig, OneOrMany, hash_api_key};
use caas_settings::Settings;
use http::{Request, header};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use zeroize::Zeroizing;

struct State(HttpConfig);

impl AsRef<HttpConfig> for State {
    fn as_ref(&self) -> &HttpConfig {
        &self.0
    }
}

/// As the bodies of the API are: required and optional fields, one string or several.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "what counts is whether it is read")]
struct Fields {
    #[serde(rename = "apiKey")]
    api_key: Option<String>,
    #[serde(rename = "userUUID")]
    user: String,
    data: OneOrMany<Zeroizing<String>>,
    size: Option<u64>,
}

const KEY: &str = "caas_tests-only-tests-only-tests-only-tests-only3YnVQC";

static STATE: LazyLock<Arc<State>> = LazyLock::new(|| {
    let keys = format!("acme:{}", hash_api_key(KEY));
    let settings = Settings::from([("API_KEYS", keys.as_str())]);
    Arc::new(State(HttpConfig::read(&settings).expect("settings")))
});

fuzz_target!(|data: &[u8]| {
    let request = Request::post("/")
        .header(header::CONTENT_TYPE, "application/json")
        .header(API_KEY_HEADER, KEY)
        .body(Body::from(data.to_vec()))
        .expect("a request");
    let read = block_on(AuthenticatedJson::<Fields>::from_request(request, &STATE));
    if read.is_ok() {
        // What is accepted is an object for everybody, with no other key in it.
        let value: serde_json::Value = serde_json::from_slice(data).expect("JSON");
        assert!(value.get("apiKey").is_none_or(|key| key == KEY));
        assert!(value["userUUID"].is_string());
    }
});
