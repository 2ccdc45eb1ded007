//! Requests.

use axum::body::Body;
use http::{Method, Request};

use crate::BOUNDARY;

/// A request without a body.
pub fn request(method: Method, api_key: &str, path: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("x-api-key", api_key);
    request.body(Body::empty()).unwrap()
}

/// A POST of JSON, without a key in its headers.
pub fn post_json(path: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::post(path).header("content-type", "application/json");
    request.body(body.into()).unwrap()
}

/// A POST of a form, without a key.
pub fn post_form(path: &str, form: impl Into<Body>) -> Request<Body> {
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let request = Request::post(path).header("content-type", content_type);
    request.body(form.into()).unwrap()
}

/// Adds a header to a request.
pub fn with(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().append(name, value.parse().unwrap());
    request
}
