//! The events in `events/`, as S3, the schedule and the tests of a deployment send them.

use std::{fs, path::PathBuf};

use caas_inbox::Report;
use seal_object::HandleError;
use serde_json::Value;

use crate::support::Stack;

#[tokio::test]
async fn every_event_is_answered() {
    let done = |sealed, nothing| {
        Ok(Report {
            sealed,
            nothing,
            ..Report::default()
        })
    };
    let failed = Err(HandleError::Failed { failed: 1 });
    let events = [
        ("illegal_key.json", failed),
        ("object_created.json", done(1, 0)),
        ("several_objects.json", done(1, 1)),
        ("sweep.json", done(1, 0)),
        ("test_event.json", done(0, 0)),
    ];
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/seal-object");
    let folder = PathBuf::from(folder);
    let mut found: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, events.each_ref().map(|(name, _)| *name));

    for (name, expected) in events {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        // The events name the bucket of caas-local.
        let text = text.replace("caas-inbox", crate::support::INBOX);
        let event: Value = serde_json::from_str(&text).unwrap();
        let stack = Stack::start().await;
        stack
            .drop("acme/reports/2026/a b+c.pdf", "one".into())
            .await;
        assert_eq!(stack.handle(event).await, expected, "{name}");
    }
}
