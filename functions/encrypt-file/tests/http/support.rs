//! The router as the tests configure it.

use std::sync::Arc;

use axum::{Router, body::Body};
use caas_http::HttpConfig;
use caas_testing::{TestResponse, send, settings};
use encrypt_file::Config;
use http::Request;

pub(crate) const URL: &str = "http://localhost:1234";
pub(crate) const MAX_BODY_BYTES: u64 = 100_000;

pub(crate) const FILE: &str =
    r#"Content-Disposition: form-data; name="file"; filename="path/to/a.txt""#;
pub(crate) const KEY: &str = r#"Content-Disposition: form-data; name="key""#;

pub(crate) fn router(public: bool) -> Router {
    let settings = settings([
        ("MAX_BODY_BYTES", &MAX_BODY_BYTES.to_string()),
        ("ALLOWED_ORIGINS", "https://app.example"),
    ]);
    let http = HttpConfig::read(&settings).unwrap();
    let url = Some(URL.to_owned());
    encrypt_file::router(Arc::new(Config { http, public, url }))
}

/// One request to a new router.
pub(crate) async fn call(public: bool, request: Request<Body>) -> TestResponse {
    send(&router(public), request).await
}
