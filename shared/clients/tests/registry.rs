//! Keys of the registry, on a real S3: used, refused, expired, revoked, and made up.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use axum::{Router, response::IntoResponse, routing::post};
use caas_clients::{
    ApiKeys, AuthenticatedJson, CONCURRENT_READS, ClientRecord, ConfiguredKeys, KeyHash,
    MISSES_PER_SECOND, Scope, Scopes, generate_api_key,
};
use caas_crypto::ClientName;
use caas_http::{Audit, Edge, HttpConfig};
use caas_settings::Settings;
use caas_testing::{CLIENTS, Fault, ManualClock, Proxies, Stack, post_json, send, with};
use futures::future::join_all;
use serde_json::json;
use time::OffsetDateTime;

const SECOND: Duration = Duration::from_secs(1);

struct Service {
    stack: Stack,
    proxies: Proxies,
    clock: ManualClock,
    keys: ApiKeys,
}

impl Service {
    async fn start() -> Self {
        Self::with_configured(&[]).await
    }

    /// A process that has just started, with these keys of `acme` in `API_KEYS`.
    async fn with_configured(configured: &[&str]) -> Self {
        let stack = Stack::start().await;
        let proxies = stack.proxies(Duration::from_secs(60)).await;
        let clock = ManualClock::new();
        let configured = configured
            .iter()
            .map(|key| format!("acme:{}", KeyHash::of(key)));
        let configured: ConfiguredKeys = configured.collect::<Vec<_>>().join(",").parse().unwrap();
        let registry = (proxies.clients.s3.clone(), CLIENTS.to_owned());
        Self {
            keys: ApiKeys::with_clock(configured, Some(registry), clock.clock()),
            clock,
            stack,
            proxies,
        }
    }

    async fn store(&self, key: &str, record: &ClientRecord) {
        let s3_key = KeyHash::of(key).record_key();
        self.stack
            .put_raw(CLIENTS, &s3_key, &record.to_json())
            .await;
    }

    /// A new key with this record.
    async fn key(&self, record: &ClientRecord) -> String {
        let key = new_key();
        self.store(&key, record).await;
        key
    }

    /// The client that a key admits, or the status of the problem.
    async fn admits(&self, key: &str, scope: Scope) -> Result<String, u16> {
        let admitted = self
            .keys
            .admit(key.as_bytes(), scope, &Audit::default())
            .await;
        let admitted = admitted.map(|client: ClientName| client.to_string());
        admitted.map_err(|problem| problem.into_response().status().as_u16())
    }

    /// The requests that reached S3 in the meantime.
    fn reads(&self) -> u64 {
        self.proxies.s3.requests()
    }
}

fn new_key() -> String {
    generate_api_key().unwrap().to_string()
}

fn record(scopes: &[Scope]) -> ClientRecord {
    ClientRecord {
        client: "acme".parse().unwrap(),
        scopes: scopes.iter().copied().collect(),
        created: OffsetDateTime::UNIX_EPOCH,
        expires_at: None,
        disabled: false,
        note: String::new(),
    }
}

#[tokio::test]
async fn a_key_admits_its_client_until_it_expires_or_is_revoked() {
    let service = Service::start().await;
    let acme = || Ok("acme".to_owned());
    let mut reader = record(&[Scope::FilesRead, Scope::Sessions]);
    let key = service.key(&reader).await;
    assert_eq!(service.admits(&key, Scope::FilesRead).await, acme());
    assert_eq!(service.admits(&key, Scope::Sessions).await, acme());
    assert_eq!(service.admits(&key, Scope::FilesWrite).await, Err(403));
    assert_eq!(service.reads(), 1, "one GetObject for all of that");

    // To the second by the expiry that was read, within a minute by one that was changed.
    let soon = OffsetDateTime::from(service.clock.now().wall) + 30 * SECOND;
    reader.expires_at = Some(soon);
    let expiring = service.key(&reader).await;
    assert_eq!(service.admits(&expiring, Scope::FilesRead).await, acme());
    service.store(&key, &reader).await;
    service.clock.advance(29 * SECOND);
    assert_eq!(service.admits(&expiring, Scope::FilesRead).await, acme());
    service.clock.advance(SECOND);
    assert_eq!(service.admits(&expiring, Scope::FilesRead).await, Err(401));
    assert_eq!(service.admits(&key, Scope::FilesRead).await, acme());
    service.clock.advance(30 * SECOND);
    assert_eq!(service.admits(&key, Scope::FilesRead).await, Err(401));

    // More scopes, and none any more.
    reader = record(Scope::ALL);
    service.store(&key, &reader).await;
    service.clock.advance(60 * SECOND);
    assert_eq!(service.admits(&key, Scope::FilesWrite).await, acme());
    reader.disabled = true;
    service.store(&key, &reader).await;
    service.clock.advance(59 * SECOND);
    assert_eq!(service.admits(&key, Scope::FilesWrite).await, acme());
    service.clock.advance(SECOND);
    assert_eq!(service.admits(&key, Scope::FilesWrite).await, Err(401));
    assert_eq!(service.reads(), 5, "one a key and minute");
}

#[tokio::test]
async fn a_key_that_is_tried_before_it_is_made_works_ten_seconds_later() {
    let service = Service::start().await;
    let key = new_key();
    for _ in 0..3 {
        assert_eq!(service.admits(&key, Scope::Sessions).await, Err(401));
    }
    service.store(&key, &record(&[Scope::Sessions])).await;
    service.clock.advance(9 * SECOND);
    assert_eq!(service.admits(&key, Scope::Sessions).await, Err(401));
    assert_eq!(service.reads(), 1);
    service.clock.advance(SECOND);
    assert!(service.admits(&key, Scope::Sessions).await.is_ok());
    assert_eq!(service.reads(), 2);
}

#[tokio::test]
async fn a_record_overrules_the_setting() {
    let key = new_key();
    let service = Service::with_configured(&[&key]).await;
    for _ in 0..3 {
        assert!(service.admits(&key, Scope::UsersAdmin).await.is_ok());
    }
    assert_eq!(service.reads(), 1);
    let reader = record(&[Scope::FilesRead]);
    service.store(&key, &reader).await;
    service.clock.advance(60 * SECOND);
    assert_eq!(service.admits(&key, Scope::UsersAdmin).await, Err(403));
    for refused in [
        ClientRecord {
            disabled: true,
            ..reader.clone()
        }
        .to_json(),
        b"{}".to_vec(),
        vec![b' '; 1 << 20],
    ] {
        let s3_key = KeyHash::of(&key).record_key();
        service.stack.put_raw(CLIENTS, &s3_key, &refused).await;
        service.clock.advance(60 * SECOND);
        assert_eq!(service.admits(&key, Scope::FilesRead).await, Err(401));
    }
    let delete = service.stack.clients.s3.delete_object().bucket(CLIENTS);
    let delete = delete.key(KeyHash::of(&key).record_key());
    delete.send().await.unwrap();
    service.clock.advance(60 * SECOND);
    assert!(service.admits(&key, Scope::UsersAdmin).await.is_ok());
}

#[tokio::test]
async fn without_s3_nobody_is_called_unknown() {
    let service = Service::with_configured(&[]).await;
    let (used, unused) = (
        service.key(&record(&[Scope::Sessions])).await,
        service.key(&record(&[Scope::Sessions])).await,
    );
    assert!(service.admits(&used, Scope::Sessions).await.is_ok());
    for fault in [
        Fault::s3(503, "SlowDown"),
        Fault::s3(403, "AccessDenied"),
        Fault::s3(404, "NoSuchBucket"),
    ] {
        service.proxies.s3.set_rule(move |_| fault.clone());
        assert!(service.admits(&used, Scope::Sessions).await.is_ok());
        assert_eq!(service.admits(&unused, Scope::Sessions).await, Err(503));
        assert_eq!(service.admits(&new_key(), Scope::Sessions).await, Err(503));
        // A checksum has no hyphen: another character might be the one it had.
        let mistyped = format!("{}-", &used[..53]);
        assert_eq!(service.admits(&mistyped, Scope::Sessions).await, Err(401));
    }
    service.clock.advance(60 * SECOND);
    assert_eq!(service.admits(&used, Scope::Sessions).await, Err(503));
    service.proxies.s3.clear_rule();
    assert!(service.admits(&used, Scope::Sessions).await.is_ok());
    assert!(service.admits(&unused, Scope::Sessions).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_keys_cost_no_more_than_the_budget() {
    let service = Service::start().await;
    let (known, other) = (
        service.key(&record(&[Scope::Sessions])).await,
        service.key(&record(&[Scope::Sessions])).await,
    );
    assert!(service.admits(&known, Scope::Sessions).await.is_ok());
    // The known one's record has to be read again in the midst of it.
    service.clock.advance(60 * SECOND);
    let before = service.reads();
    let made_up: Vec<_> = (0..10_000).map(|_| new_key()).collect();
    let all = join_all(
        made_up
            .iter()
            .map(|key| service.admits(key, Scope::Sessions)),
    );
    let (all, good) = tokio::join!(all, service.admits(&known, Scope::Sessions));
    assert!(good.is_ok());
    let refused = |status| all.iter().filter(|one| **one == Err(status)).count();
    assert_eq!(refused(401) + refused(503), all.len());
    let reads = service.reads() - before - 1;
    let budget = MISSES_PER_SECOND as usize + CONCURRENT_READS;
    assert!(
        (MISSES_PER_SECOND as usize..=budget).contains(&(reads as usize)),
        "{reads}"
    );
    assert_eq!(refused(401) as u64, reads);

    assert_eq!(
        service.admits(&other, Scope::Sessions).await,
        Err(503),
        "a new key waits"
    );
    service.clock.advance(SECOND);
    assert!(service.admits(&other, Scope::Sessions).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_s3_fails_made_up_keys_cost_no_more_either() {
    let service = Service::start().await;
    service
        .proxies
        .s3
        .set_rule(|_| Fault::s3(403, "AccessDenied"));
    let made_up: Vec<_> = (0..500).map(|_| new_key()).collect();
    let all = join_all(
        made_up
            .iter()
            .map(|key| service.admits(key, Scope::Sessions)),
    );
    assert!(all.await.iter().all(|one| *one == Err(503)));
    let budget = MISSES_PER_SECOND as usize + CONCURRENT_READS;
    assert!(service.reads() as usize <= budget, "{}", service.reads());
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_clients_may_come_at_once() {
    let service = Service::start().await;
    let mut keys = Vec::new();
    for _ in 0..300 {
        keys.push(service.key(&record(&[Scope::Sessions])).await);
    }
    let twice = keys.iter().chain(&keys);
    let all = join_all(twice.map(|key| service.admits(key, Scope::Sessions))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(service.reads(), 300);
}

struct State(ApiKeys, HttpConfig);

impl AsRef<ApiKeys> for State {
    fn as_ref(&self) -> &ApiKeys {
        &self.0
    }
}

impl AsRef<HttpConfig> for State {
    fn as_ref(&self) -> &HttpConfig {
        &self.1
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(rename = "apiKey")]
    _api_key: Option<String>,
}

#[tokio::test]
async fn a_body_holds_the_key_of_the_headers_or_none() {
    let service = Service::start().await;
    let acme = service.key(&record(&[Scope::ValuesEncrypt])).await;
    let next = service.key(&record(&[Scope::ValuesEncrypt])).await;
    let reader = service.key(&record(&[Scope::FilesRead])).await;
    let before = service.reads();
    let http = HttpConfig::read(&Settings::from([])).unwrap();
    let handler = async |AuthenticatedJson {
                             client,
                             body: Body { .. },
                         }: AuthenticatedJson<Body>| { client.to_string() };
    let router = Router::new().route("/encrypt", post(handler));
    let router = router.with_state(Arc::new(State(service.keys, http)));
    let router: Router = Edge::default().around(router);
    let unreadable = "{";
    for (header, bearer, body, status) in [
        (None, None, json!({"apiKey": acme}).to_string(), 200),
        (Some(&acme), None, json!({}).to_string(), 200),
        (None, Some(&acme), json!({}).to_string(), 200),
        (
            Some(&acme),
            Some(&acme),
            json!({"apiKey": acme}).to_string(),
            200,
        ),
        (Some(&acme), None, json!({"apiKey": next}).to_string(), 401),
        (Some(&acme), Some(&next), json!({}).to_string(), 401),
        (Some(&acme), None, json!({"apiKey": ""}).to_string(), 401),
        (Some(&acme), None, json!({"apiKey": 1}).to_string(), 400),
        (None, None, json!({}).to_string(), 401),
        (None, None, json!({"apiKey": reader}).to_string(), 403),
        (Some(&reader), None, unreadable.to_owned(), 403),
        (Some(&new_key()), None, unreadable.to_owned(), 401),
        (Some(&acme), None, unreadable.to_owned(), 400),
    ] {
        let mut request = post_json("/encrypt", body.clone());
        if let Some(key) = header {
            request = with(request, "x-api-key", key);
        }
        if let Some(key) = bearer {
            request = with(request, "authorization", &format!("Bearer {key}"));
        }
        let response = send(&router, request).await;
        assert_eq!(response.status, status, "{body}: {}", response.text());
    }
    let reads = service.proxies.s3.requests() - before;
    assert_eq!(
        reads, 3,
        "each key once, and not at all one that comes second"
    );
}

#[test]
fn scopes_are_a_set() {
    let some: Scopes = [Scope::Sessions, Scope::FilesRead, Scope::Sessions]
        .into_iter()
        .collect();
    assert_eq!(
        some.iter().collect::<Vec<_>>(),
        [Scope::FilesRead, Scope::Sessions]
    );
    for scope in Scope::ALL {
        assert_eq!(scope.name().parse(), Ok(*scope));
        assert!(Scopes::all().contains(*scope) && !Scopes::default().contains(*scope));
    }
}
