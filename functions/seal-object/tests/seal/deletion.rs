//! What its user has deleted does not come back, and what was dropped afterwards is sealed.

use std::collections::HashMap;

use caas_aws::{ObjectKey, PutOptions};
use caas_inbox::{Report, SINGLE_USE};
use caas_testing::{Fault, INBOX, VAULT};
use seal_object::{HandleError, handle};
use serde_json::json;

use crate::support::{MAX_BYTES, Stack, event};

fn key() -> ObjectKey {
    ObjectKey::parse("acme/a").unwrap()
}

impl Stack {
    /// The first steps of `DELETE /api/files/{id}`, before it removes what waits.
    async fn delete(&self) {
        self.inbox.delete(&key()).await.unwrap();
        self.vault.delete(&key()).await.unwrap();
    }

    /// Its last step.
    async fn remove_waiting(&self) {
        let waiting = self.inbox.versions(&key()).await.unwrap();
        self.inbox.remove_objects(&key(), &waiting).await.unwrap();
    }

    /// A run has looked, its user has deleted, the run has written, and died.
    async fn came_back(&self) {
        let version = self.drop("acme/a", "one".into()).await;
        self.delete().await;
        self.write_as_run("acme/a", b"one", &version, "none").await;
    }

    async fn newest_marker(&self) -> String {
        let versions = self.vault.bucket().versions(&key()).await.unwrap();
        versions.delete_markers[0].version_id.clone()
    }

    pub(crate) async fn sweep(&self) -> Report {
        self.handle(json!({"sweep": true})).await.unwrap()
    }
}

#[tokio::test]
async fn what_was_deleted_before_it_was_sealed_is_removed_unsealed() {
    let stack = Stack::start().await;
    stack.drop("acme/a", "one".into()).await;
    stack.drop("acme/a", "two".into()).await;
    stack.delete().await;
    let (report, calls) = stack.calls_of(stack.seal(&["acme/a"])).await;
    assert_eq!(report.nothing, 1);
    assert_eq!((calls.kms(), calls.of("s3:GetObject")), (0, 0));
    assert_eq!(stack.opened("acme/a").await, None);
    assert_eq!(stack.waiting().await, 0);
}

#[tokio::test]
async fn what_was_deleted_after_it_was_sealed_does_not_come_back() {
    let stack = Stack::start().await;
    let version = stack.drop("acme/a", "one".into()).await;
    // A run has written, and died.
    stack.write_as_run("acme/a", b"one", &version, "none").await;
    stack.delete().await;
    stack.seal(&["acme/a"]).await;
    assert_eq!(stack.opened("acme/a").await, None);
    assert_eq!(stack.waiting().await, 0);
}

#[tokio::test]
async fn what_was_dropped_after_a_delete_is_sealed() {
    let stack = Stack::start().await;
    stack.drop("acme/a", "one".into()).await;
    stack.seal(&["acme/a"]).await;
    stack.delete().await;
    stack.drop("acme/a", "two".into()).await;
    assert_eq!(stack.seal(&["acme/a"]).await.sealed, 1);
    assert_eq!(stack.opened("acme/a").await, Some("two".into()));
    assert_eq!(stack.waiting().await, 0);

    // The delete beneath it was seen: a later event leaves it alone.
    stack.seal(&["acme/a"]).await;
    assert_eq!(stack.opened("acme/a").await, Some("two".into()));
}

#[tokio::test]
async fn a_write_over_a_delete_that_it_did_not_see_is_taken_back() {
    for source_is_left in [true, false] {
        let stack = Stack::start().await;
        let version = stack.drop("acme/a", "one".into()).await;
        // A run has looked, its user has deleted, the run has written, and died.
        stack.delete().await;
        if !source_is_left {
            stack.remove_waiting().await;
        }
        stack.write_as_run("acme/a", b"one", &version, "none").await;
        assert_eq!(stack.opened("acme/a").await, Some("one".into()));

        stack.seal(&["acme/a"]).await;
        assert_eq!(stack.opened("acme/a").await, None);
        assert_eq!(stack.waiting().await, 0);
        // Nothing is destroyed: it can be recovered like everything that was deleted.
        let versions = stack.vault.bucket().versions(&key()).await.unwrap();
        assert_eq!(versions.objects.len(), 1);
    }
}

#[tokio::test]
async fn a_delete_marker_in_the_inbox_lets_the_sweep_take_back() {
    let stack = Stack::start().await;
    let version = stack.drop("acme/a", "one".into()).await;
    stack.delete().await;
    stack.remove_waiting().await;
    stack.write_as_run("acme/a", b"one", &version, "none").await;

    stack.sweep().await;
    assert_eq!(stack.opened("acme/a").await, None);
    // It is of no more use after the longest run, which is zero here.
    let left = stack.inbox.versions(&key()).await.unwrap();
    assert_eq!(left.delete_markers, []);
}

#[tokio::test]
async fn a_newer_drop_is_sealed_over_a_write_that_came_back() {
    let stack = Stack::start().await;
    stack.came_back().await;
    stack.drop("acme/a", "two".into()).await;
    assert_eq!(stack.seal(&["acme/a"]).await.sealed, 1);
    assert_eq!(stack.opened("acme/a").await, Some("two".into()));
    assert_eq!(stack.waiting().await, 0);
}

/// Another run has replaced what came back since this run looked.
#[tokio::test]
async fn a_write_that_came_back_is_looked_at_again_if_it_cannot_be_taken_back() {
    let stack = Stack::start().await;
    stack.came_back().await;
    let (proxies, proxied) = stack.proxied(INBOX, VAULT).await;
    let replaced = Fault::s3(412, "PreconditionFailed");
    proxies.s3.set_rule(replaced.once(|request| {
        request.method == "DELETE" && request.path_and_query.starts_with("/vault/")
    }));
    handle(event(INBOX, &["acme/a"]), &proxied).await.unwrap();
    assert_eq!(stack.opened("acme/a").await, None);
    assert_eq!(stack.waiting().await, 0);
}

#[tokio::test]
async fn a_write_that_came_back_is_taken_back_under_a_newer_drop_that_is_not_sealed() {
    let too_large = MAX_BYTES as usize + 1;
    for (content, single_use, end) in [
        (
            vec![0; too_large],
            false,
            Err(HandleError::Failed { failed: 1 }),
        ),
        (b"twice".to_vec(), true, Ok(1)),
    ] {
        let stack = Stack::start().await;
        stack.came_back().await;
        let put = stack.clients.s3.put_object().bucket(INBOX).key("acme/a");
        let metadata =
            single_use.then(|| HashMap::from([(SINGLE_USE.to_owned(), "true".to_owned())]));
        let put = put.set_metadata(metadata).body(content.into());
        put.send().await.unwrap();

        let report = stack.handle(event(INBOX, &["acme/a"])).await;
        assert_eq!(report.map(|report| report.nothing), end);
        assert_eq!(stack.opened("acme/a").await, None);
    }
}

#[tokio::test]
async fn a_drop_after_a_delete_is_never_taken_back() {
    for has_seen_the_delete in [true, false] {
        let stack = Stack::start().await;
        stack.delete().await;
        let marker = stack.newest_marker().await;
        let version = stack.drop("acme/a", "one".into()).await;
        let seen = if has_seen_the_delete { &marker } else { "none" };
        stack.write_as_run("acme/a", b"one", &version, seen).await;

        assert_eq!(stack.seal(&["acme/a"]).await.sealed, 1);
        let info = stack.vault.head(&key()).await.unwrap().unwrap();
        assert_eq!(info.metadata["caas-after-delete"], marker);
        assert_eq!(stack.waiting().await, 0);
        stack.sweep().await;
        assert_eq!(stack.opened("acme/a").await, Some("one".into()));
    }
}

#[tokio::test]
async fn an_upload_is_never_taken_back() {
    let stack = Stack::start().await;
    stack.delete().await;
    let options = PutOptions::default().if_absent();
    let put = async |key| stack.vault.put(&key, "uploaded".into(), &options).await;
    put(key()).await.unwrap();
    stack.seal(&["acme/a"]).await;
    stack.sweep().await;
    assert_eq!(stack.opened("acme/a").await, Some("uploaded".into()));
}

#[tokio::test]
async fn what_was_deleted_in_the_inbox_is_removed_and_what_is_sealed_stays() {
    let stack = Stack::start().await;
    stack.drop("acme/a", "one".into()).await;
    stack.seal(&["acme/a"]).await;
    stack.drop("acme/a", "two".into()).await;
    stack.inbox.delete(&key()).await.unwrap();
    assert_eq!(stack.seal(&["acme/a"]).await.nothing, 1);
    assert_eq!(stack.waiting().await, 0);
    assert_eq!(stack.opened("acme/a").await, Some("one".into()));

    // And the next one is sealed again, with the delete marker beneath it.
    stack.drop("acme/a", "three".into()).await;
    assert_eq!(stack.seal(&["acme/a"]).await.sealed, 1);
    assert_eq!(stack.opened("acme/a").await, Some("three".into()));
    assert_eq!(stack.waiting().await, 0);
}

#[tokio::test]
async fn a_file_of_another_length_or_format_is_sealed_again() {
    let stack = Stack::start().await;
    let version = stack.drop("acme/a", "one".into()).await;
    stack.write_as_run("acme/a", b"on", &version, "none").await;
    assert_eq!(stack.seal(&["acme/a"]).await.sealed, 1);
    assert_eq!(stack.opened("acme/a").await, Some("one".into()));

    let version = stack.drop("acme/b", "one".into()).await;
    let put = stack.clients.s3.put_object().bucket(VAULT);
    let put = put.key("acme/b").metadata("caas-source-version", version);
    let put = put.body(vec![0; 19].into()).send();
    put.await.unwrap();
    assert_eq!(stack.seal(&["acme/b"]).await.sealed, 1);
    assert_eq!(stack.opened("acme/b").await, Some("one".into()));
}
