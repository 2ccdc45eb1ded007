//! A client deletes its files.

use caas_testing::{API_KEY, INBOX, VAULT, request};
use http::Method;

use crate::support::{App, begin_upload, get, id_of, path_of};

/// The status of a deletion: a purge has a receipt.
fn done(purge: bool) -> u16 {
    if purge { 200 } else { 204 }
}

impl App {
    /// The oldest marker of the file in the vault, which dates its deletion.
    async fn marker_over_the_object(&self) -> Option<String> {
        let listed = self.clients.s3.list_object_versions().bucket(VAULT);
        let listed = listed.prefix("acme/a").send().await.unwrap();
        let oldest = listed.delete_markers().last();
        oldest.and_then(|marker| marker.version_id().map(str::to_owned))
    }
}

#[tokio::test]
async fn a_deleted_file_is_gone_for_the_client_and_kept_for_the_operator() {
    let app = App::start().await;
    let id = app.upload("a", b"x").await;
    let path = format!("/api/files/{id}");
    let deleted = app.ask(Method::DELETE, &path).await;
    assert_eq!((deleted.status.as_u16(), deleted.body.len()), (204, 0));
    for method in [Method::GET, Method::DELETE] {
        let answer = app.ask(method, &path).await;
        answer.is_problem("deleted", 404, "not-found");
    }
    assert_eq!(app.versions(VAULT).await, (1, 1));

    // Even then it can be purged.
    let purge = app.ask(Method::DELETE, &format!("{path}?purge=true")).await;
    assert_eq!(purge.ok()["versions_removed"], 1);
    assert_eq!(app.versions(VAULT).await, (0, 0));
    let again = app.ask(Method::DELETE, &format!("{path}?purge=true")).await;
    again.is_problem("purged", 404, "not-found");
    assert_eq!(app.versions(VAULT).await, (0, 0));
}

#[tokio::test]
async fn what_waits_in_the_inbox_goes_too() {
    let app = App::start().await;
    for purge in [false, true] {
        for sealed in [false, true] {
            for key in ["acme/a", "acme/a", "acme/a/b", "acme/ab", "globex/a"] {
                app.put_raw(INBOX, key, b"waiting").await;
                if sealed || key != "acme/a" {
                    app.put_raw(VAULT, key, b"sealed").await;
                }
            }
            let path = format!("/api/files/{}?purge={purge}", id_of("a"));
            assert_eq!(app.ask(Method::DELETE, &path).await.status, done(purge));
            for bucket in [INBOX, VAULT] {
                assert_eq!(
                    app.visible(bucket).await,
                    ["acme/a/b", "acme/ab", "globex/a"]
                );
            }
            // The markers tell a run that is sealing it at this moment.
            for (bucket, kept) in [(INBOX, 0), (VAULT, usize::from(sealed && !purge))] {
                let (objects, markers) = app.versions_of(bucket, "acme/a").await;
                assert!(markers > 0, "{bucket}");
                assert_eq!(objects > 0, kept > 0, "{bucket}");
            }
            let again = app.send(get(API_KEY, &id_of("a"))).await;
            again.is_problem("deleted", 404, "not-found");
        }
    }
}

#[tokio::test]
async fn a_sealed_drop_leaves_a_marker_in_the_inbox_and_an_upload_none() {
    for purge in [false, true] {
        let app = App::start().await;
        let id = app.upload("a", b"x").await;
        let request_of = |id: &str| {
            let path = format!("/api/files/{id}?purge={purge}");
            request(Method::DELETE, API_KEY, &path)
        };
        assert_eq!(app.send(request_of(&id)).await.status, done(purge));
        assert_eq!(app.versions(INBOX).await, (0, 0));

        let put = app.clients.s3.put_object().bucket(VAULT).key("acme/a");
        let put = put.metadata("caas-source-version", "v1").send();
        put.await.unwrap();
        let deleted = app.send(request_of(&id_of("a"))).await;
        assert_eq!(deleted.status, done(purge));
        assert_eq!(app.versions(INBOX).await, (0, 1));
    }
}

#[tokio::test]
async fn a_drop_that_was_deleted_once_keeps_a_marker_in_the_vault_whatever_follows() {
    for purge in [false, true] {
        let app = App::start().await;
        app.put_raw(INBOX, "acme/a", b"waiting").await;
        let path = format!("/api/files/{}", id_of("a"));
        let deleted = app.ask(Method::DELETE, &path).await;
        assert_eq!(deleted.status, 204);
        let path = format!("{path}?purge={purge}");
        app.ask(Method::DELETE, &path).await;
        for bucket in [INBOX, VAULT] {
            let (objects, markers) = app.versions_of(bucket, "acme/a").await;
            assert_eq!((objects, markers > 0), (0, true), "{bucket}");
        }
    }
}

#[tokio::test]
async fn a_repeated_delete_collects_no_markers() {
    let app = App::start().await;
    app.put_raw(INBOX, "acme/a", b"waiting").await;
    app.put_raw(VAULT, "acme/a", b"sealed").await;
    let path = format!("/api/files/{}", id_of("a"));
    let delete = async || app.send(request(Method::DELETE, API_KEY, &path)).await;
    assert_eq!(delete().await.status, 204);
    let dated = app.marker_over_the_object().await;
    for _ in 0..5 {
        delete().await.is_problem("deleted", 404, "not-found");
        assert_eq!(app.versions_of(INBOX, "acme/a").await, (0, 1));
        let (objects, markers) = app.versions_of(VAULT, "acme/a").await;
        assert!(objects == 1 && markers <= 2, "{markers} markers");
        // The lifecycle counts from the first delete.
        assert_eq!(app.marker_over_the_object().await, dated);
    }
    let purge = format!("{path}?purge=true");
    for _ in 0..2 {
        app.send(request(Method::DELETE, API_KEY, &purge)).await;
        delete().await.is_problem("purged", 404, "not-found");
        assert_eq!(app.versions_of(VAULT, "acme/a").await, (0, 1));
    }
}

#[tokio::test]
async fn a_purge_leaves_markers_while_a_presigned_request_may_be_in_progress() {
    for purge in [false, true] {
        let app = App::start().await;
        let upload = app.send(begin_upload("a", "client")).await.json();
        let put = app.clients.s3.put_object().bucket(VAULT);
        let id = upload["id"].as_str().unwrap();
        let key = format!("acme/{}", path_of(id));
        let signed = &upload["headers"]["x-amz-meta-caas-after-delete"];
        let put = put.metadata("caas-after-delete", signed.as_str().unwrap());
        put.key(&key).send().await.unwrap();
        let path = format!("/api/files/{id}?purge={purge}");
        let deleted = app.send(request(Method::DELETE, API_KEY, &path)).await;
        assert_eq!(deleted.status, done(purge));
        assert_eq!(app.versions_of(INBOX, &key).await, (0, 1));
        let kept = usize::from(!purge);
        assert_eq!(app.versions_of(VAULT, &key).await, (kept, 1));
    }
}

#[tokio::test]
async fn a_delete_that_died_can_be_repeated() {
    let app = App::start().await;
    // It has put its first marker, and a run has removed what was beneath it.
    let delete = app.clients.s3.delete_object().bucket(INBOX).key("acme/a");
    delete.send().await.unwrap();
    let path = format!("/api/files/{}", id_of("a"));
    app.ask(Method::DELETE, &path).await;
    let (_, markers) = app.versions_of(VAULT, "acme/a").await;
    assert_eq!(markers, 1);
}

#[tokio::test]
async fn purge_is_true_or_false() {
    let app = App::start().await;
    let id = app.upload("a", b"x").await;
    for query in [
        "purge=",
        "purge=1",
        "purge=TRUE",
        "purge=true&purge=true",
        "force=true",
    ] {
        let path = format!("/api/files/{id}?{query}");
        let answer = app.ask(Method::DELETE, &path).await;
        answer.is_problem(query, 400, "invalid-request");
    }
    assert_eq!(app.send(get(API_KEY, &id)).await.body, b"x");
}
