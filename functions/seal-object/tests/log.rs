//! The log line of an event, word for word.
//!
//! Runs in its own process, because it reads everything that the process logs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "shared with the other tests")]
#[path = "seal/support.rs"]
mod support;

use caas_testing::Log;

use support::Stack;

#[tokio::test]
async fn an_event_is_one_line() {
    let log = Log::capture();
    let stack = Stack::start().await;
    stack
        .drop("acme/CANARY-name", "CANARY-content".into())
        .await;
    stack.seal(&["acme/CANARY-name"]).await;
    log.lacks(&["CANARY", "acme"]);
    insta::assert_snapshot!(log.line("done"), @r#"{"timestamp":…,"level":"INFO","message":"done","sealed":1,"nothing":0,"refused":0,"aborted_uploads":0,"failed":0}"#);
}
