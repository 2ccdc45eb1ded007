//! The sweep needs no event.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use caas_aws::{ObjectKey, PutOptions};
use caas_inbox::Report;
use caas_testing::{Fault, INBOX, VAULT, seeded_bytes};
use caas_vault::{PartLayout, UploadKey};
use seal_object::{HandleError, handle};
use serde_json::json;

use crate::support::{Stack, sweep_settings, with_sweep};

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
    // A delete marker over nothing.
    let delete = stack.clients.s3.delete_object().bucket(INBOX);
    delete.key("neither").send().await.unwrap();

    let mut young = sweep_settings();
    young.age = Duration::from_secs(600);
    let young = with_sweep(&stack.clients, young);
    let report = handle(json!({"sweep": true}), &young).await.unwrap();
    let marker = Report {
        nothing: 1,
        ..Report::default()
    };
    assert_eq!(report, marker);
    assert_eq!(stack.waiting().await, 33);

    // A key that cannot be sealed has raised the alarm with its event: it does not fail the sweep.
    let report = stack.handle(json!({"sweep": true})).await.unwrap();
    let expected = Report {
        sealed: 30,
        nothing: 2,
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
    // In a client's folder, and at the top.
    for (folder, end) in [("0/", "/"), ("0", "")] {
        let stack = Stack::start().await;
        // A page has 1,000 entries. These are delete markers over nothing.
        let names =
            (0..1_000).map(|i| ObjectIdentifier::builder().key(format!("{folder}{i}{end}")));
        let names = names.map(|name| name.build().unwrap()).collect();
        let names = Delete::builder().set_objects(Some(names)).build().unwrap();
        let delete = stack.clients.s3.delete_objects().bucket(INBOX);
        delete.delete(names).send().await.unwrap();

        stack.drop("acme/a", "on the second page".into()).await;
        let report = stack.handle(json!({"sweep": true})).await.unwrap();
        assert_eq!((report.sealed, report.nothing), (1, 1_000), "{folder}");
    }
}

#[tokio::test]
async fn the_markers_of_a_key_are_listed_once_and_collapse() {
    let stack = Stack::start().await;
    let markers = async |count| {
        let name = ObjectIdentifier::builder().key("acme/a").build().unwrap();
        let names = Delete::builder().set_objects(Some(vec![name; count]));
        let delete = stack.clients.s3.delete_objects().bucket(INBOX);
        let delete = delete.delete(names.build().unwrap());
        delete.send().await.unwrap();
    };
    markers(1_000).await;
    markers(100).await;
    // The markers are young: a run may be in progress that missed the newest.
    let mut patient = sweep_settings();
    patient.longest_run = Duration::from_secs(3600);
    let patient = with_sweep(&stack.clients, patient);
    let sweep = async || {
        let swept = stack
            .calls_of(handle(json!({"sweep": true}), &patient))
            .await;
        assert_eq!(swept.0.unwrap().nothing, 1);
        swept.1.of("s3:ListObjectVersions")
    };
    // The top, two pages of the client, of the run, and after it, and the vault.
    assert_eq!(sweep().await, 1 + 2 + 2 + 1 + 2);
    assert_eq!(sweep().await, 1 + 1 + 1 + 1 + 1);
    let key = ObjectKey::parse("acme/a").unwrap();
    let left = stack.inbox.versions(&key).await.unwrap();
    assert_eq!(left.delete_markers.len(), 1);
}

#[tokio::test]
async fn a_client_with_many_files_keeps_no_other_waiting() {
    let stack = Stack::start().await;
    for i in 0..20 {
        stack.drop(&format!("acme/{i}"), "one".into()).await;
    }
    stack.drop("globex/a", "one".into()).await;
    let (proxies, proxied) = stack.proxied(INBOX, VAULT).await;
    let reads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&reads);
    proxies.s3.set_rule(move |request| {
        let path = request.path_and_query.to_owned();
        if request.method == "GET" && path.starts_with("/inbox/") && !path.starts_with("/inbox/?") {
            seen.lock().unwrap().push(path);
        }
        Fault::Forward
    });
    assert_eq!(
        handle(json!({"sweep": true}), &proxied)
            .await
            .unwrap()
            .sealed,
        21
    );
    let reads = reads.lock().unwrap();
    assert_eq!(reads.len(), 21);
    let place = reads
        .iter()
        .position(|path| path.starts_with("/inbox/globex/"));
    assert!(place.is_some_and(|place| place < 8), "{place:?}");
}

#[tokio::test]
async fn a_sweep_without_time_starts_nothing() {
    let stack = Stack::start().await;
    stack.drop("acme/a", "one".into()).await;
    let mut short = sweep_settings();
    short.time = Duration::ZERO;
    let short = with_sweep(&stack.clients, short);
    let report = handle(json!({"sweep": true}), &short).await.unwrap();
    assert_eq!(report, Report::default());
    assert_eq!(stack.waiting().await, 1);
}

#[tokio::test]
async fn a_sweep_that_cannot_list_fails() {
    let stack = Stack::start().await;
    let (proxies, inbox) = stack.proxied(INBOX, VAULT).await;
    for listing in [
        format!("/{INBOX}/?uploads"),
        format!("/{INBOX}/?versions"),
        format!("/{VAULT}/?uploads"),
    ] {
        let refused = listing.clone();
        proxies.s3.set_rule(
            move |request| match request.path_and_query.starts_with(&refused) {
                true => Fault::Respond(403, "application/xml", "<Error/>".to_owned()),
                false => Fault::Forward,
            },
        );
        let swept = handle(json!({"sweep": true}), &inbox).await;
        assert_eq!(swept, Err(HandleError::Failed { failed: 1 }), "{listing}");
    }
}

/// Unlike one that fails in the same way in every run.
#[tokio::test]
async fn a_sweep_fails_if_a_file_can_be_sealed_later() {
    let stack = Stack::start().await;
    stack.drop("acme/a", b"x".to_vec()).await;
    let (proxies, inbox) = stack.proxied(INBOX, VAULT).await;
    let unavailable = Fault::Respond(403, "application/x-amz-json-1.1", "{}".to_owned());
    proxies.kms.set_rule(move |_| unavailable.clone());
    let swept = handle(json!({"sweep": true}), &inbox).await;
    assert_eq!(swept, Err(HandleError::Failed { failed: 1 }));
    proxies.kms.clear_rule();
    let report = handle(json!({"sweep": true}), &inbox).await.unwrap();
    assert_eq!(report.sealed, 1);
}

#[tokio::test]
async fn abandoned_uploads_are_aborted() {
    let stack = Stack::start().await;
    for key in ["acme/a", "acme/b c"] {
        let create = stack.clients.s3.create_multipart_upload().bucket(VAULT);
        create.key(key).send().await.unwrap();
    }
    // A client's upload in parts lives for days.
    let key = UploadKey::new(&"acme".parse().unwrap(), "a").unwrap();
    let layout = PartLayout::new(5, None).unwrap();
    let options = PutOptions::default();
    let begun = stack.vault.begin_upload(key, layout, &options).await;
    let token = begun.unwrap().token;
    let mut patient = sweep_settings();
    patient.longest_run = Duration::from_secs(3600);
    let patient = with_sweep(&stack.clients, patient);
    let report = handle(json!({"sweep": true}), &patient).await.unwrap();
    assert_eq!(report.aborted_uploads, 0);
    let report = stack.handle(json!({"sweep": true})).await.unwrap();
    assert_eq!(report.aborted_uploads, 2);
    assert_eq!(stack.multipart_uploads(VAULT).await, 1);
    assert_eq!(stack.vault.held_parts(&token, 1, 1).await, Ok(vec![]));
}

/// Clients decide how many of these there are, and listing them may take all of the time.
#[tokio::test]
async fn uploads_are_listed_after_everything_is_sealed() {
    let stack = Stack::start().await;
    stack.drop("acme/a", "a".into()).await;
    let (proxies, inbox) = stack.proxied(INBOX, VAULT).await;
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    proxies.s3.set_rule(move |request| {
        let request = format!("{} {}", request.method, request.path_and_query);
        seen.lock().unwrap().push(request);
        Fault::Forward
    });
    let report = handle(json!({"sweep": true}), &inbox).await.unwrap();
    assert_eq!(report.sealed, 1);
    let requests = requests.lock().unwrap();
    let uploads = format!("GET /{VAULT}/?uploads");
    let listed = requests
        .iter()
        .position(|request| request.starts_with(&uploads));
    let after = &requests[listed.unwrap()..];
    let inbox = format!("/{INBOX}");
    assert!(
        !after.iter().any(|request| request.contains(&inbox)),
        "{after:?}"
    );
}
