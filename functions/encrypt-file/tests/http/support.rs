//! The router as the tests configure it.

use std::sync::Arc;

use axum::{Router, body::Body};
use caas_aws::ClientsConfig;
use caas_testing::{TestResponse, send, settings};
use encrypt_file::{Config, Service};
use http::Request;

pub(crate) const URL: &str = "http://localhost:1234";
pub(crate) const STORAGE: &str = "https://vault.example";
pub(crate) const MAX_BODY_BYTES: u64 = 100_000;

pub(crate) const FILE: &str =
    r#"Content-Disposition: form-data; name="file"; filename="path/to/a.txt""#;
pub(crate) const KEY: &str = r#"Content-Disposition: form-data; name="key""#;

pub(crate) async fn router(public: bool) -> Router {
    configured(public, STORAGE).await
}

/// The router of a deployment whose storage is at this origin.
pub(crate) async fn router_with_storage(origin: &str) -> Router {
    configured(false, origin).await
}

async fn configured(public: bool, storage: &str) -> Router {
    let settings = settings([
        ("MAX_BODY_BYTES", &MAX_BODY_BYTES.to_string()),
        ("ALLOWED_ORIGINS", "https://app.example"),
        ("CAAS_URL", URL),
        ("STORAGE_ORIGINS", storage),
        ("PUBLIC_ENCRYPT_FILE", &public.to_string()),
    ]);
    let config = Config::read(&settings).unwrap();
    let service = Service::connect(config, ClientsConfig::default()).await;
    encrypt_file::router(Arc::new(service))
}

/// One request to a new router.
pub(crate) async fn call(public: bool, request: Request<Body>) -> TestResponse {
    send(&router(public).await, request).await
}
