//! The events in `events/`, as API Gateway sends them.

use caas_testing::{check_events, invocation_error, send};

use crate::support::router;

/// The response to each event: status, content type, and something in the body.
const EVENTS: &[(&str, u16, &str, &str)] = &[
    ("decrypt_file", 200, BYTES, "Hello, session!"),
    ("encrypt_file", 200, BYTES, ""),
    ("health", 200, JSON, "max_body_bytes"),
    ("health_http_api", 200, JSON, "max_body_bytes"),
    ("index", 200, "text/plain; charset=utf-8", "is running"),
    ("not_found", 404, PROBLEM, "/problems/not-found"),
    ("openapi", 200, JSON, SERVERS),
    ("page", 200, "text/html; charset=utf-8", "\"/Prod/"),
    ("problem", 200, JSON, "too-large"),
];
const BYTES: &str = "application/octet-stream";
const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";
const SERVERS: &str =
    r#""servers":[{"url":"https://abcdefghij.execute-api.us-east-1.amazonaws.com/Prod"}]"#;

#[tokio::test]
async fn every_event_is_answered() {
    let router = router(false).await;
    let send = async |event| send(&router, event).await;
    check_events("encrypt-file", EVENTS, send).await;
}

/// As without `.caas/env`: whoever invokes the function reads what is missing.
#[tokio::test]
async fn a_function_that_cannot_start_says_why_when_it_is_invoked() {
    let binary = env!("CARGO_BIN_EXE_encrypt-file");
    let error = invocation_error(binary, "API_KEYS", "acme").await;
    assert!(error.contains("API_KEYS"), "{error}");
}
