//! The sweep needs no event.

use std::time::Duration;

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use caas_inbox::Report;
use caas_testing::{INBOX, VAULT, seeded_bytes};
use seal_object::handle;
use serde_json::json;

use crate::support::{Stack, settings, with_settings};

#[tokio::test]
async fn everything_old_enough_is_sealed() {
    let stack = Stack::start().await;
    for i in 0..30 {
        stack
            .drop(&format!("acme/{i} ä+%"), seeded_bytes(i, 100))
            .await;
    }
    stack.drop("acme/0 ä+%", "newer".into()).await;
    stack.drop("acme/folder/", Vec::new()).await;
    stack.drop("no-client", "stays".into()).await;

    let mut young = settings(INBOX);
    young.sweep_age = Duration::from_secs(600);
    let young = with_settings(&stack.clients, VAULT, young);
    let report = handle(json!({"sweep": true}), &young).await.unwrap();
    assert_eq!(report, Report::default());
    assert_eq!(stack.waiting().await, 33);

    // A key that cannot be sealed has raised the alarm with its event: it does not fail the sweep.
    let report = stack.handle(json!({"sweep": true})).await.unwrap();
    let expected = Report {
        sealed: 30,
        nothing: 1,
        refused: 1,
        aborted_uploads: 0,
        failed: 0,
    };
    assert_eq!(report, expected);
    assert_eq!(stack.waiting().await, 2);
    assert_eq!(stack.opened("acme/0 ä+%").await, Some("newer".into()));
    assert_eq!(stack.opened("acme/7 ä+%").await, Some(seeded_bytes(7, 100)));
}

#[tokio::test]
async fn every_page_is_swept() {
    let stack = Stack::start().await;
    // A page has 1,000 entries. These are delete markers over nothing.
    let names = (0..1_000).map(|i| ObjectIdentifier::builder().key(format!("0/{i}/")));
    let names = names.map(|name| name.build().unwrap()).collect();
    let names = Delete::builder().set_objects(Some(names)).build().unwrap();
    let delete = stack.clients.s3.delete_objects().bucket(INBOX);
    delete.delete(names).send().await.unwrap();

    stack.drop("acme/a", "on the second page".into()).await;
    let report = stack.handle(json!({"sweep": true})).await.unwrap();
    assert_eq!((report.sealed, report.nothing), (1, 1_000));
}

#[tokio::test]
async fn abandoned_uploads_are_aborted() {
    let stack = Stack::start().await;
    for key in ["acme/a", "acme/b c"] {
        let create = stack.clients.s3.create_multipart_upload().bucket(VAULT);
        create.key(key).send().await.unwrap();
    }
    let mut patient = settings(INBOX);
    patient.longest_run = Duration::from_secs(3600);
    let patient = with_settings(&stack.clients, VAULT, patient);
    let report = handle(json!({"sweep": true}), &patient).await.unwrap();
    assert_eq!(report.aborted_uploads, 0);
    let report = stack.handle(json!({"sweep": true})).await.unwrap();
    assert_eq!(report.aborted_uploads, 2);
    assert_eq!(stack.multipart_uploads(VAULT).await, 0);
}
