//! The events in `events/`, as S3, the schedule and the tests of a deployment send them.

use caas_inbox::Report;
use caas_testing::{INBOX, events, invocation_error};
use seal_object::HandleError;
use serde_json::Value;

use crate::support::Stack;

#[tokio::test]
async fn every_event_is_handled() {
    let done = |sealed, nothing| {
        Ok(Report {
            sealed,
            nothing,
            ..Report::default()
        })
    };
    let failed = Err(HandleError::Failed { failed: 1 });
    let expected = [
        ("illegal_key", failed),
        ("object_created", done(1, 0)),
        ("several_objects", done(1, 1)),
        ("sweep", done(1, 0)),
        ("test_event", done(0, 0)),
    ];
    let events = events("seal-object");
    assert!(events.keys().eq(expected.each_ref().map(|(name, _)| *name)));

    for (name, expected) in expected {
        // The events name the bucket of caas-local.
        let text = events[name].replace("caas-inbox", INBOX);
        let event: Value = serde_json::from_str(&text).unwrap();
        let stack = Stack::start().await;
        stack
            .drop("acme/reports/2026/a b+c.pdf", "one".into())
            .await;
        assert_eq!(stack.handle(event).await, expected, "{name}");
    }
}

/// As without `.caas/env`: whoever invokes the function reads what is missing.
#[tokio::test]
async fn a_function_that_cannot_start_says_why_when_it_is_invoked() {
    let binary = env!("CARGO_BIN_EXE_seal-object");
    let error = invocation_error(binary, "LOG", "error").await;
    assert!(error.contains("_BUCKET"), "{error}");
}
