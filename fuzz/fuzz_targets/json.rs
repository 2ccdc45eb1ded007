//! A JSON body. The API key is in a header, and may be in the body too.

#![no_main]

use std::sync::{Arc, LazyLock};

use axum::{Router, body::Body, routing::post};
use caas_clients::{ApiKeys, AuthenticatedJson, KeyHash};
use caas_fuzz::block_on;
use caas_http::{API_KEY_HEADER, HttpConfig, OneOrMany};
use caas_settings::Settings;
use http::{Request, header};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use tower::ServiceExt;
use zeroize::Zeroizing;

struct State(HttpConfig, ApiKeys);

impl AsRef<HttpConfig> for State {
    fn as_ref(&self) -> &HttpConfig {
        &self.0
    }
}

impl AsRef<ApiKeys> for State {
    fn as_ref(&self) -> &ApiKeys {
        &self.1
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

/// One route, which responds once the body is read.
static ROUTER: LazyLock<Router> = LazyLock::new(|| {
    let configured = format!("acme:{}", KeyHash::of(KEY)).parse().expect("an entry");
    let http = HttpConfig::read(&Settings::from([])).expect("settings");
    let state = State(http, ApiKeys::new(configured, None));
    let handler = async |_: AuthenticatedJson<Fields>| {};
    Router::new()
        .route("/encrypt", post(handler))
        .with_state(Arc::new(state))
});

fuzz_target!(|data: &[u8]| {
    let request = Request::post("/encrypt")
        .header(header::CONTENT_TYPE, "application/json")
        .header(API_KEY_HEADER, KEY)
        .body(Body::from(data.to_vec()))
        .expect("a request");
    let response = block_on(ROUTER.clone().oneshot(request)).expect("infallible");
    if response.status().is_success() {
        // What is accepted is an object for everybody, with no other key in it.
        let value: serde_json::Value = serde_json::from_slice(data).expect("JSON");
        assert!(value.get("apiKey").is_none_or(|key| key == KEY));
        assert!(value["userUUID"].is_string());
    }
});
