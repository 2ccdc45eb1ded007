//! The log lines of an event and of a sweep, word for word.
//!
//! Runs in its own process, because it reads everything that the process logs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "shared with the other tests")]
#[path = "seal/support.rs"]
mod support;

use caas_testing::Log;
use serde_json::json;

use support::Stack;

#[tokio::test]
async fn an_event_is_one_line_and_a_sweep_tells_the_age_page_by_page() {
    let log = Log::capture();
    let stack = Stack::start().await;
    stack
        .drop("acme/CANARY-name", "CANARY-content".into())
        .await;
    stack.seal(&["acme/CANARY-name"]).await;
    log.lacks(&["CANARY", "acme"]);
    insta::assert_snapshot!(log.line("done"), @r#"{"timestamp":…,"level":"INFO","message":"done","sealed":1,"nothing":0,"refused":0,"aborted_uploads":0,"failed":0}"#);

    for key in ["acme/CANARY-a", "globex/CANARY-b"] {
        stack.drop(key, "CANARY-content".into()).await;
    }
    stack.handle(json!({"sweep": true})).await.unwrap();
    log.lacks(&["CANARY", "acme", "globex"]);
    insta::assert_snapshot!(log.line("inbox listed"), @r#"{"timestamp":…,"level":"INFO","message":"inbox listed","oldest_seconds":0}"#);
    let text = log.text();
    let pages = text.lines().filter(|line| line.contains("inbox listed"));
    // The top of the inbox, and each client's folder.
    assert_eq!(pages.count(), 3);
}
