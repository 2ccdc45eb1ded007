//! The events in `events/`, as S3, the schedule and the tests of a deployment send them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use caas_inbox::Report;
use caas_testing::{Fault, INBOX, VAULT, events, invocation_error};
use caas_vault::PART_LEN;
use seal_object::{HandleError, handle};
use serde_json::Value;

use crate::support::{MAX_BYTES, Stack, event, state};

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

/// Each takes tens of megabytes of the function's memory.
#[tokio::test]
async fn large_files_take_turns() {
    assert!(PART_LEN as u64 + 1 < MAX_BYTES);
    let stack = Stack::start().await;
    let keys = ["acme/a", "acme/b"];
    for key in keys {
        stack.drop(key, vec![1; PART_LEN + 1]).await;
    }
    let proxies = stack.proxies(Duration::from_secs(60)).await;
    let steps = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&steps);
    proxies.s3.set_rule(move |request| {
        let path = request.path_and_query;
        let step = match request.method {
            "GET" if path.starts_with("/inbox/acme/") => Some("read"),
            "POST" if path.starts_with("/vault/acme/") && path.contains("uploadId=") => {
                Some("stored")
            }
            _ => None,
        };
        seen.lock().unwrap().extend(step);
        Fault::Forward
    });
    let inbox = state(&proxies.clients, INBOX, VAULT);
    let report = handle(event(INBOX, &keys), &inbox).await.unwrap();
    assert_eq!(report.sealed, 2);
    assert_eq!(*steps.lock().unwrap(), ["read", "stored", "read", "stored"]);
}

/// As without `.caas/env`: whoever invokes the function reads what is missing.
#[tokio::test]
async fn a_function_that_cannot_start_says_why_when_it_is_invoked() {
    let binary = env!("CARGO_BIN_EXE_seal-object");
    let error = invocation_error(binary, "LOG", "error").await;
    assert!(error.contains("_BUCKET"), "{error}");
}
