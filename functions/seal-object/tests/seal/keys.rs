//! What is sealed, under which keys, and what is not.

use caas_aws::{ObjectKey, PutOptions};
use caas_emulator::BucketConfig;
use caas_inbox::Report;
use caas_testing::{Fault, INBOX, VAULT, seeded_bytes};
use seal_object::{HandleError, handle};
use serde_json::json;

use crate::support::{MAX_BYTES, Stack, event};

const SEALED: Report = Report {
    sealed: 1,
    nothing: 0,
    refused: 0,
    aborted_uploads: 0,
    failed: 0,
};
const NOTHING: Report = Report {
    sealed: 0,
    nothing: 1,
    ..SEALED
};

#[tokio::test]
async fn what_is_dropped_is_sealed_under_its_key_and_gone_from_the_inbox() {
    let stack = Stack::start().await;
    let longest = format!("acme/{}", "x".repeat(1019));
    let keys = [
        "acme/a.pdf",
        "acme/reports/2026/a.pdf",
        "acme/with space.txt",
        "acme/a+b%2Bc%.txt",
        "acme/ä/日本語/🔒.txt",
        "acme/a&b=c?d#e;f:g'h\"i<j>.txt",
        "acme/...",
        &longest,
    ];
    for (i, key) in keys.into_iter().enumerate() {
        let content = seeded_bytes(i as u64, i * 1000); // the first one is empty
        let version = stack.drop(key, content.clone()).await;
        assert_eq!(stack.seal(&[key]).await, SEALED, "{key}");
        assert_eq!(stack.opened(key).await, Some(content), "{key}");
        assert_eq!(stack.waiting().await, 0, "{key}");

        let info = stack.vault.head(&ObjectKey::parse(key).unwrap()).await;
        let info = info.unwrap().unwrap();
        assert_eq!(info.content_type.as_deref(), Some("text/x-test"), "{key}");
        assert_eq!(info.metadata["caas-source-version"], version, "{key}");
    }
}

#[tokio::test]
async fn an_object_in_parts_is_sealed_in_parts() {
    let stack = Stack::start().await;
    let content = seeded_bytes(1, 17 << 20);
    stack.drop_in_parts("acme/a", content.clone()).await;
    let (report, calls) = stack.calls_of(stack.seal(&["acme/a"])).await;
    assert_eq!(report, SEALED);
    assert_eq!(calls.of("s3:UploadPart"), 3);
    assert_eq!(calls.of("kms:GenerateDataKey"), 1);
    assert!(stack.opened("acme/a").await == Some(content));
    assert_eq!(stack.waiting().await, 0);
}

#[tokio::test]
async fn the_newest_version_is_sealed_and_all_are_removed() {
    let stack = Stack::start().await;
    for content in ["one", "two", "three"] {
        stack.drop("acme/a", content.into()).await;
    }
    // Longer keys with the same beginning are other objects.
    stack.drop("acme/ab", "other".into()).await;
    assert_eq!(stack.seal(&["acme/a"]).await, SEALED);
    assert_eq!(stack.opened("acme/a").await, Some("three".into()));
    assert_eq!(stack.waiting().await, 1);

    stack.drop("acme/a", "four".into()).await;
    stack.seal(&["acme/a"]).await;
    assert_eq!(stack.opened("acme/a").await, Some("four".into()));
}

#[tokio::test]
async fn a_presigned_upload_is_good_for_one_file() {
    let stack = Stack::start().await;
    let key = ObjectKey::parse("acme/a").unwrap();
    let put = async |key, content: &'static [u8]| {
        let put = stack.clients.s3.put_object().bucket(INBOX).key(key);
        let put = put.metadata("caas-single-use", "true");
        put.body(content.to_vec().into()).send().await.unwrap();
    };
    put("acme/a", b"one").await;
    assert_eq!(stack.seal(&["acme/a"]).await, SEALED);
    put("acme/a", b"two").await;
    assert_eq!(stack.seal(&["acme/a"]).await, NOTHING);
    assert_eq!(stack.opened("acme/a").await, Some("one".into()));
    assert_eq!(stack.waiting().await, 0);

    stack.inbox.delete(&key).await.unwrap();
    stack.vault.delete(&key).await.unwrap();
    put("acme/a", b"three").await;
    assert_eq!(stack.seal(&["acme/a"]).await, NOTHING);
    assert_eq!(stack.opened("acme/a").await, None);
    assert_eq!(stack.waiting().await, 0);

    // The first file was deleted before it was sealed, and the vault does not know yet.
    let other = ObjectKey::parse("acme/b").unwrap();
    put("acme/b", b"one").await;
    stack.inbox.delete(&other).await.unwrap();
    put("acme/b", b"two").await;
    assert_eq!(stack.seal(&["acme/b"]).await, NOTHING);
    assert_eq!(stack.opened("acme/b").await, None);

    // Whoever may write to the inbox may replace it.
    stack.drop("acme/a", "four".into()).await;
    assert_eq!(stack.seal(&["acme/a"]).await, SEALED);
    assert_eq!(stack.opened("acme/a").await, Some("four".into()));
}

#[tokio::test]
async fn late_and_duplicate_events_change_nothing() {
    let stack = Stack::start().await;
    stack.drop("acme/a", "one".into()).await;
    let report = stack.seal(&["acme/a", "acme/a", "acme/a"]).await;
    assert_eq!((report.sealed + report.nothing, report.failed), (3, 0));

    let before = stack.vault.head(&ObjectKey::parse("acme/a").unwrap()).await;
    let (report, calls) = stack.calls_of(stack.seal(&["acme/a", "acme/never"])).await;
    assert_eq!(report.nothing, 2);
    assert_eq!(calls.kms(), 0);
    assert_eq!(calls.of("s3:PutObject"), 0);
    let after = stack.vault.head(&ObjectKey::parse("acme/a").unwrap()).await;
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_record_that_fails_stays_and_does_not_stop_the_others() {
    let stack = Stack::start().await;
    let large = seeded_bytes(1, MAX_BYTES as usize + 1);
    let dropped = [
        ("acme/before", "b".into()),
        ("no-client.pdf", "n".into()),
        ("ACME/a.pdf", "n".into()),
        ("acme/large", large),
        ("acme/folder/", "not empty".into()),
        ("acme/after", "a".into()),
    ];
    let mut event = event(INBOX, &dropped.each_ref().map(|(key, _)| *key));
    for (key, content) in dropped {
        stack.drop(key, content).await;
    }
    let records = event["Records"].as_array_mut().unwrap();
    records.insert(2, serde_json::json!({"s3": "what"}));
    let (end, calls) = stack.calls_of(stack.handle(event)).await;
    assert_eq!(end, Err(HandleError::Failed { failed: 5 }));
    // Only for what is sealed.
    assert_eq!(calls.of("kms:GenerateDataKey"), 2);
    assert_eq!(calls.of("s3:GetObject"), 2);
    assert_eq!(stack.opened("acme/before").await, Some("b".into()));
    assert_eq!(stack.opened("acme/after").await, Some("a".into()));
    assert_eq!(stack.waiting().await, 4);
}

#[tokio::test]
async fn an_object_that_s3_never_returns_is_refused_and_does_not_fail_the_sweep() {
    let stack = Stack::start().await;
    let (proxies, proxied) = stack.proxied(INBOX, VAULT).await;
    let put = stack.clients.s3.put_object().bucket(INBOX).key("acme/a");
    let put = put.metadata("field", "once").body(b"one".to_vec().into());
    put.send().await.unwrap();
    for (fault, lasts) in [
        (Fault::s3(403, "InvalidObjectState"), true),
        (Fault::s3(400, "InvalidRequest"), true),
        // With the field that is there, it is more than the SDK reads.
        (Fault::AddHeader("x-amz-meta-field", "twice"), true),
        (Fault::s3(400, "AnotherCode"), false),
    ] {
        let what = format!("{fault:?}");
        proxies.s3.set_rule(move |request| {
            let is_get = request.method == "GET" && request.path_and_query.contains("/acme/a?");
            match is_get {
                true => fault.clone(),
                false => Fault::Forward,
            }
        });
        let end = handle(event(INBOX, &["acme/a"]), &proxied).await;
        assert_eq!(end, Err(HandleError::Failed { failed: 1 }), "{what}");
        let end = handle(json!({"sweep": true}), &proxied).await;
        match lasts {
            true => assert_eq!(end.map(|report| report.refused), Ok(1), "{what}"),
            false => assert_eq!(end, Err(HandleError::Failed { failed: 1 }), "{what}"),
        }
    }
    proxies.s3.clear_rule();
    assert_eq!(stack.seal(&["acme/a"]).await, SEALED);
}

/// Another run, or its client, has replaced it since it was listed.
#[tokio::test]
async fn an_object_that_is_gone_when_it_is_read_is_looked_for_again() {
    let stack = Stack::start().await;
    stack.drop("acme/a", "one".into()).await;
    let (proxies, proxied) = stack.proxied(INBOX, VAULT).await;
    let gone = Fault::s3(404, "NoSuchKey");
    proxies.s3.set_rule(
        gone.once(|request| request.method == "GET" && request.path_and_query.contains("/acme/a?")),
    );
    let report = handle(event(INBOX, &["acme/a"]), &proxied).await;
    assert_eq!(report, Ok(SEALED));
}

#[tokio::test]
async fn an_object_of_the_greatest_size_is_sealed() {
    let stack = Stack::start().await;
    let content = seeded_bytes(1, MAX_BYTES as usize);
    stack.drop("acme/a", content.clone()).await;
    assert_eq!(stack.seal(&["acme/a"]).await, SEALED);
    assert!(stack.opened("acme/a").await == Some(content));
}

#[tokio::test]
async fn a_folder_is_left_alone() {
    let stack = Stack::start().await;
    stack.drop("acme/folder/", Vec::new()).await;
    let mut event = event(INBOX, &["acme/folder/"]);
    event["Records"][0]["s3"]["object"]["size"] = 0.into();
    let (report, calls) = stack.calls_of(stack.handle(event)).await;
    assert_eq!(report.unwrap(), NOTHING);
    assert_eq!((calls.s3(), calls.kms()), (0, 0));
}

#[tokio::test]
async fn only_the_inbox_is_sealed() {
    let stack = Stack::start().await;
    stack.drop("acme/a", "one".into()).await;
    stack.seal(&["acme/a"]).await;
    for bucket in [VAULT, "other"] {
        let run = stack.handle(event(bucket, &["acme/a"]));
        let (end, calls) = stack.calls_of(run).await;
        assert_eq!(end, Err(HandleError::Failed { failed: 1 }));
        assert_eq!((calls.s3(), calls.kms()), (0, 0));
    }
    assert_eq!(stack.opened("acme/a").await, Some("one".into()));
}

#[tokio::test]
async fn an_inbox_without_versioning_is_refused() {
    let (inbox, vault) = (
        BucketConfig::unversioned(INBOX),
        BucketConfig::versioned(VAULT),
    );
    let stack = Stack::with_buckets(&[inbox, vault]).await;
    stack.put_raw(INBOX, "acme/a", b"one").await;
    let end = stack.handle(event(INBOX, &["acme/a"])).await;
    assert_eq!(end, Err(HandleError::Failed { failed: 1 }));
    assert_eq!(stack.waiting().await, 1);
}

#[tokio::test]
async fn what_was_in_the_vault_stays_there_as_an_older_version() {
    let stack = Stack::start().await;
    let key = ObjectKey::parse("acme/a").unwrap();
    let options = PutOptions::default();
    let put = stack.vault.put(&key, "uploaded".into(), &options).await;
    put.unwrap();
    stack.drop("acme/a", "dropped".into()).await;
    assert_eq!(stack.seal(&["acme/a"]).await, SEALED);
    assert_eq!(stack.opened("acme/a").await, Some("dropped".into()));
    let versions = stack.vault.bucket().versions(&key).await.unwrap();
    assert_eq!(versions.objects.len(), 2);
}
