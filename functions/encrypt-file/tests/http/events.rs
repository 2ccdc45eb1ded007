//! The events in `events/`, as API Gateway sends them.

use caas_testing::{check_events, send};

use crate::support::router;

/// The response to each event: status, content type, and something in the body.
const EVENTS: &[(&str, u16, &str, &str)] = &[
    (
        "decrypt_file",
        200,
        "application/octet-stream",
        "Hello, session!",
    ),
    ("encrypt_file", 200, "application/octet-stream", ""),
    ("health", 200, "application/json", "max_body_bytes"),
    ("index", 200, "text/plain; charset=utf-8", "is running"),
    (
        "not_found",
        404,
        "application/problem+json",
        "/problems/not-found",
    ),
    (
        "openapi",
        200,
        "application/json",
        r#""servers":[{"url":"https://abcdefghij.execute-api.us-east-1.amazonaws.com/Prod"}]"#,
    ),
    ("problem", 200, "application/json", "too-large"),
];

#[tokio::test]
async fn every_event_is_answered() {
    let router = router(false);
    check_events("encrypt-file", EVENTS, async |event| {
        send(&router, event).await
    })
    .await;
}
