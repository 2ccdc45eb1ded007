//! The events in `events/`, as API Gateway sends them.

use caas_testing::{check_events, invocation_error};

use crate::support::Stack;

/// The response to each event: status, content type, and something in the body. In the order of a
/// user's life.
const EVENTS: &[(&str, u16, &str, &str)] = &[
    ("encrypt", 200, "application/json", r#"{"encrypted_data":""#),
    (
        "encrypt_reversibly",
        200,
        "application/json",
        r#"{"encrypted_data":["caas:v2:"#,
    ),
    ("verify", 200, "application/json", r#"{"valid":false}"#),
    (
        "decrypt",
        200,
        "application/json",
        "/problems/not-reversible",
    ),
    (
        "show_user",
        200,
        "application/json",
        r#"{"versions":[{"version":1,"#,
    ),
    ("rotate_user", 200, "application/json", r#"{"version":2}"#),
    (
        "shred_user",
        200,
        "application/json",
        r#""versions_removed":2"#,
    ),
];

#[tokio::test]
async fn every_event_is_answered() {
    let stack = Stack::start().await;
    let process = stack.process();
    check_events("encrypt-data", EVENTS, async |event| {
        process.call(event).await
    })
    .await;
}

/// As without `.caas/env`: whoever invokes the function reads what is missing.
#[tokio::test]
async fn a_function_that_cannot_start_says_why_when_it_is_invoked() {
    let binary = env!("CARGO_BIN_EXE_encrypt-data");
    let error = invocation_error(binary, "API_KEYS", "").await;
    assert!(error.contains("USER_KEY_ID"), "{error}");
}
