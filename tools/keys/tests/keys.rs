//! Keys in a registry on a real S3, as an operator administers them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use caas_clients::{ApiKeys, ConfiguredKeys, KeyHash, MAX_NOTE_LEN, Scope, Scopes};
use caas_http::Audit;
use caas_keys::{Keys, KeysError, NewKey};
use caas_testing::{CLIENTS, Stack};
use time::{Duration, OffsetDateTime};

fn keys(stack: &Stack) -> Keys {
    Keys::new(stack.clients.s3.clone(), CLIENTS)
}

fn new(client: &str) -> NewKey {
    let scopes: Scopes = [Scope::FilesRead].into_iter().collect();
    NewKey::new(client.parse().unwrap(), scopes)
}

/// Whether a process that has just started admits the key.
async fn admits(stack: &Stack, configured: &str, key: &str) -> bool {
    let registry = Some((stack.clients.s3.clone(), CLIENTS.to_owned()));
    let configured: ConfiguredKeys = configured.parse().unwrap();
    let keys = ApiKeys::new(configured, registry);
    let audit = Audit::default();
    let admitted = keys.admit(key.as_bytes(), Scope::FilesRead, &audit).await;
    admitted.is_ok()
}

#[tokio::test]
async fn a_key_is_made_shown_expired_and_revoked() {
    let stack = Stack::start().await;
    let keys = keys(&stack);
    let note = "web shop".to_owned();
    let made = keys
        .add(NewKey {
            note,
            ..new("acme")
        })
        .await
        .unwrap();
    assert!(admits(&stack, "", &made.text).await);
    let hash = made.hash.to_string();
    for named in [
        made.text.as_str(),
        &hash,
        &hash[..8],
        &hash.to_uppercase()[..12],
    ] {
        let found = keys.find(named).await.unwrap();
        assert_eq!(
            (found.hash, found.record.note.as_str()),
            (made.hash, "web shop")
        );
    }
    let past = OffsetDateTime::now_utc() - Duration::SECOND;
    keys.expire(&hash, Some(past)).await.unwrap();
    assert!(!admits(&stack, "", &made.text).await);
    keys.expire(&hash, None).await.unwrap();
    assert!(admits(&stack, "", &made.text).await);
    assert!(keys.revoke(&hash).await.unwrap().record.disabled);
    assert!(!admits(&stack, "", &made.text).await);
    let (versions, markers) = stack.versions(CLIENTS).await;
    assert_eq!((versions, markers), (4, 0), "every change is kept");
}

#[tokio::test]
async fn a_configured_key_is_revoked_by_a_record() {
    let stack = Stack::start().await;
    let keys = keys(&stack);
    let key = caas_clients::generate_api_key().unwrap();
    let (hash, client) = (KeyHash::of(key.as_str()), "acme".parse().unwrap());
    let configured = format!("acme:{hash}");
    assert!(admits(&stack, &configured, &key).await);
    keys.revoke_configured(hash, client).await.unwrap();
    assert!(!admits(&stack, &configured, &key).await);
    let again = keys.revoke_configured(hash, "acme".parse().unwrap()).await;
    assert!(matches!(again, Err(KeysError::Conflict)), "{again:?}");
}

#[tokio::test]
async fn keys_are_listed_by_client() {
    let stack = Stack::start().await;
    let keys = keys(&stack);
    for client in ["globex", "acme", "globex"] {
        keys.add(new(client)).await.unwrap();
    }
    let damaged = KeyHash::of("damaged");
    stack.put_raw(CLIENTS, &damaged.record_key(), b"{}").await;
    stack.put_raw(CLIENTS, "clients/readme.txt", b"x").await;
    let (found, unreadable) = keys.list().await.unwrap();
    let clients: Vec<_> = found.iter().map(|key| key.record.client.as_str()).collect();
    assert_eq!(clients, ["acme", "globex", "globex"]);
    assert_eq!(unreadable, [damaged]);
    let refused = keys.find(&damaged.to_string()).await;
    assert!(
        matches!(refused, Err(KeysError::Unreadable(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_done_is_said_and_changes_nothing() {
    let stack = Stack::start().await;
    let keys = keys(&stack);
    for named in ["", "12345", "not hex!", &"0".repeat(65)] {
        let refused = keys.revoke(named).await;
        assert!(
            matches!(refused, Err(KeysError::NotAKey)),
            "{named}: {refused:?}"
        );
    }
    let refused = keys.revoke(&"0".repeat(64)).await;
    assert!(matches!(refused, Err(KeysError::NotFound)), "{refused:?}");
    // JSON writes a control character in six.
    for note in ["x".repeat(MAX_NOTE_LEN + 1), "\u{1}".repeat(MAX_NOTE_LEN)] {
        let new = NewKey {
            note,
            ..new("acme")
        };
        assert!(matches!(keys.add(new).await, Err(KeysError::LongNote)));
    }
    let nowhere = Keys::new(stack.clients.s3.clone(), "nowhere").list().await;
    assert!(matches!(nowhere, Err(KeysError::Aws { .. })), "{nowhere:?}");
    assert_eq!(stack.versions(CLIENTS).await, (0, 0));
}
