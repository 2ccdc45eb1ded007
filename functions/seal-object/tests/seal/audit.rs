//! What the audit trail says about dropped files.

use caas_audit::Trail;
use caas_inbox::Inbox;
use caas_testing::{FullDisk, INBOX, Log};
use seal_object::handle;
use serde_json::Value;

use crate::support::{MAX_BYTES, Stack, event, sweep_settings, with_sweep};

/// `printf acme/a | sha256sum`
const SUBJECT: &str = "883a14b33f1d6f1957daef35ca8fad68617b9013e674aeeb4e0a372642dabc69";

fn inbox(stack: &Stack, trail: Trail) -> Inbox {
    with_sweep(&stack.clients, sweep_settings()).with_trail(trail)
}

#[tokio::test]
async fn plaintext_is_removed_between_an_intent_and_an_outcome() {
    let stack = Stack::start().await;
    let log = Log::default();
    let inbox = inbox(&stack, Trail::new(log.clone(), None));
    stack.drop("acme/a", b"older".to_vec()).await;
    stack.drop("acme/a", b"x".to_vec()).await;
    handle(event(INBOX, &["acme/a"]), &inbox).await.unwrap();
    // Deleted while it waits, and nothing to do.
    stack.drop("acme/a", b"y".to_vec()).await;
    let delete = stack.clients.s3.delete_object().bucket(INBOX).key("acme/a");
    delete.send().await.unwrap();
    handle(event(INBOX, &["acme/a", "acme/absent"]), &inbox)
        .await
        .unwrap();
    // What stays in the inbox has no line.
    stack
        .drop("acme/large", vec![0; MAX_BYTES as usize + 1])
        .await;
    handle(event(INBOX, &["acme/large"]), &inbox)
        .await
        .unwrap_err();

    let lines = log.audit();
    let told = |line: &Value| {
        let text = |field: &str| line[field].as_str().unwrap_or("-").to_owned();
        (text("audit"), text("operation"), text("outcome"))
    };
    let said: Vec<_> = lines.iter().map(told).collect();
    let pair = |operation: &str| {
        [("intent", "-"), ("outcome", "ok")]
            .map(|(audit, outcome)| (audit.to_owned(), operation.to_owned(), outcome.to_owned()))
    };
    let expected = [pair("seal a dropped file"), pair("discard a dropped file")];
    assert_eq!(said, expected.concat());
    for line in &lines {
        assert_eq!(
            (&line["client"], &line["subject"]),
            (&"acme".into(), &SUBJECT.into())
        );
    }
    assert_eq!(lines[0]["request_id"], lines[1]["request_id"]);
    assert_ne!(lines[0]["request_id"], lines[2]["request_id"]);
    assert_eq!(
        (&lines[1]["removed"], &lines[3]["removed"]),
        (&2.into(), &1.into())
    );
}

#[tokio::test]
async fn without_an_intent_the_plaintext_stays() {
    let stack = Stack::start().await;
    stack.drop("acme/a", b"x".to_vec()).await;
    let broken = inbox(&stack, Trail::new(FullDisk, None));
    handle(event(INBOX, &["acme/a"]), &broken)
        .await
        .unwrap_err();
    assert_eq!(stack.waiting().await, 1);
    stack.seal(&["acme/a"]).await;
    assert_eq!(stack.waiting().await, 0);
}
