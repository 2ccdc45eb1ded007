//! Requests to a router, and its responses.

use std::fmt::Write;

use axum::{Router, body::Body};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// A response, read to its end.
#[derive(Debug)]
pub struct TestResponse {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

/// Sends one request to a router.
pub async fn send(router: &Router, request: Request<Body>) -> TestResponse {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    TestResponse {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes().into(),
    }
}

/// The problem documents in response to these requests, as a snapshot shows them: without the ids of
/// the requests.
pub async fn problem_documents(
    router: &Router,
    requests: impl IntoIterator<Item = (&str, Request<Body>)>,
) -> String {
    let mut documents = String::new();
    for (case, request) in requests {
        let response = send(router, request).await;
        let problem = response.json();
        let text = |field| problem[field].as_str().unwrap_or_default();
        let (kind, title, detail) = (text("type"), text("title"), text("detail"));
        let code = kind.trim_start_matches("/problems/");
        response.is_problem(case, response.status.as_u16(), code);
        writeln!(documents, "{case}: {} {kind}", response.status.as_u16()).unwrap();
        writeln!(documents, "    {title}: {detail}").unwrap();
    }
    documents
}

impl TestResponse {
    /// A header, empty if absent.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The JSON of a 200.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self.json()
    }

    /// Checks that this is a complete problem document.
    #[track_caller]
    pub fn is_problem(&self, case: &str, status: u16, code: &str) {
        let case = format!("{case}: {}", self.text());
        assert_eq!(self.status, status, "{case}");
        let content_type = self.header("content-type");
        assert_eq!(content_type, "application/problem+json", "{case}");
        let problem = self.json();
        assert_eq!(problem["type"], format!("/problems/{code}"), "{case}");
        assert_eq!(problem["status"], status, "{case}");
        assert_eq!(problem["instance"], self.header("x-request-id"), "{case}");
        for field in ["title", "detail"] {
            let text = problem[field].as_str().unwrap_or_default();
            assert!(text.len() > 5, "{field} of {case}");
        }
        assert_eq!(problem.as_object().unwrap().len(), 5, "{case}");
    }

    /// Everything that distinguishes this response from another, apart from the request's id.
    pub fn anonymous(mut self) -> (StatusCode, Vec<(String, String)>, String) {
        let id = self.header("x-request-id").to_owned();
        self.headers.remove("x-request-id");
        let text = self.text().replace(&id, "");
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.to_string(), format!("{value:?}")));
        (self.status, headers.collect(), text)
    }
}
