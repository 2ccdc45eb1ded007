//! The log lines of an event and of a sweep, word for word.
//!
//! Runs in its own process, because it reads everything that the process logs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "shared with the other tests")]
#[path = "seal/support.rs"]
mod support;

use caas_testing::{Fault, INBOX, Log, VAULT};
use seal_object::handle;
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

    for (kind, key, size, waits) in [
        ("Version", "a/b", 1, true),
        ("Version", "a/b", 0, true),
        ("Version", "a/", 1, true),
        ("Version", "a/", 0, false),
        ("DeleteMarker", "a/b", 0, false),
    ] {
        let listing = format!(
            "<ListVersionsResult><{kind}><Key>{key}</Key><Size>{size}</Size><VersionId>v</VersionId>\
             <LastModified>2020-02-02T02:02:02Z</LastModified></{kind}></ListVersionsResult>"
        );
        let (proxies, inbox) = stack.proxied(INBOX, VAULT).await;
        proxies.s3.set_rule(
            move |request| match request.path_and_query.contains("delimiter=") {
                true => Fault::Respond(200, "application/xml", listing.clone()),
                false => Fault::Forward,
            },
        );
        let before = log.text().len();
        handle(json!({"sweep": true}), &inbox).await.unwrap();
        let text = log.text();
        let waiting = text[before..]
            .lines()
            .find(|line| line.contains("inbox listed"));
        let is_zero = waiting.unwrap().contains(r#""oldest_seconds":0}"#);
        assert_eq!(is_zero, !waits, "{kind} {key} {size}");
    }
}
