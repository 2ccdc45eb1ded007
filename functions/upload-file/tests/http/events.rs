//! The events in `events/`, as API Gateway sends them.

use caas_testing::{API_KEY, check_events, invocation_error, with};

use crate::support::{App, upload};

const PROBLEM: &str = "application/problem+json";

/// The response to each event: status, content type, and something in the body.
const EVENTS: &[(&str, u16, &str, &str)] = &[
    (
        "begin_client_upload",
        201,
        "application/json",
        "x-amz-meta-x-amz-d",
    ),
    (
        "begin_inbox_upload",
        201,
        "application/json",
        "if-none-match",
    ),
    (
        "begin_upload_in_parts",
        201,
        "application/json",
        r#""parts":{"part_size":16777216,"count":3577}"#,
    ),
    // There is no such upload in a new stack.
    ("upload_parts", 404, PROBLEM, "/problems/not-found"),
    ("complete_upload", 404, PROBLEM, "/problems/not-found"),
    ("abort_upload", 404, PROBLEM, "/problems/not-found"),
    ("delete", 204, "", ""),
    ("get", 200, "text/x-notes; charset=utf-8", "Some notes"),
    ("grant", 200, "application/json", "notes.txt"),
    ("head", 200, "text/x-notes; charset=utf-8", ""),
    ("list", 200, "application/json", "notes.txt"),
    ("purge", 200, "application/json", r#""versions_removed":1"#),
    (
        "upload",
        201,
        "application/json",
        "File uploaded and encrypted successfully.",
    ),
    ("upload_without_slash", 201, "application/json", "notes.txt"),
];

#[tokio::test]
async fn every_event_is_answered() {
    check_events("upload-file", EVENTS, async |event| {
        // The file that the events name: uploaded with the Idempotency-Key "events".
        let app = App::start().await;
        let there = upload(API_KEY, "notes.txt", b"Some notes");
        app.send(with(there, "idempotency-key", "events")).await;
        app.send(event).await
    })
    .await;
}

/// As without `.caas/env`: whoever invokes the function reads what is missing.
#[tokio::test]
async fn a_function_that_cannot_start_says_why_when_it_is_invoked() {
    let binary = env!("CARGO_BIN_EXE_upload-file");
    let error = invocation_error(binary, "API_KEYS", "").await;
    assert!(error.contains("VAULT_BUCKET"), "{error}");
}
