//! Requests and responses at the router's edge.

use std::sync::Arc;

use axum::{Router, body::Body};
use caas_http::{AllowedOrigins, Edge, HttpConfig, hash_api_key};
use encrypt_file::Config;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

pub(crate) const API_KEY: &str = "caas_tests-only-tests-only-tests-only-tests-only";
pub(crate) const URL: &str = "http://localhost:1234";
pub(crate) const MAX_BODY_BYTES: u64 = 100_000;
pub(crate) const BOUNDARY: &str = "multipart-boundary";

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// The router as configured for the tests.
pub(crate) fn router(public: bool) -> Router {
    let http = HttpConfig {
        api_keys: format!("acme:{}", hash_api_key(API_KEY)).parse().unwrap(),
        max_body_bytes: MAX_BODY_BYTES,
        edge: Edge {
            allowed_origins: "https://app.example".parse::<AllowedOrigins>().unwrap(),
        },
    };
    let url = Some(URL.to_owned());
    encrypt_file::router(Arc::new(Config { http, public, url }))
}

/// One request against a new router.
pub(crate) async fn call(public: bool, request: Request<Body>) -> Answer {
    let response = router(public).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().into();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    }
}

/// A part of a form: its header lines and its content.
pub(crate) type Part<'a> = (&'a str, &'a [u8]);

pub(crate) const FILE: &str =
    r#"Content-Disposition: form-data; name="file"; filename="path/to/a.txt""#;
pub(crate) const KEY: &str = r#"Content-Disposition: form-data; name="key""#;

/// A form of these parts, with every boundary.
pub(crate) fn form(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (headers, content) in parts {
        body.extend_from_slice(format!("--{BOUNDARY}\r\n{headers}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// A POST of a form's bytes.
pub(crate) fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path)
        .header(
            "content-type",
            format!("multipart/form-data; boundary={BOUNDARY}"),
        )
        .body(body.into())
        .unwrap()
}
