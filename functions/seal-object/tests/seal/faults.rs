//! Seeded faults between the function and S3 and KMS, while events are duplicated, and files overwritten and deleted.
//!
//! `SEAL_FAULT_RUNS` says how many runs; `SEAL_FAULT_SEED` where to begin.

use std::{sync::Arc, time::Duration};

use caas_aws::{ObjectKey, VersionedBucket};
use caas_emulator::BucketConfig;
use caas_inbox::Inbox;
use caas_testing::{Fault, Proxies, seeded_bytes};
use caas_vault::Vault;
use futures::future::join_all;
use seal_object::handle;
use serde_json::json;

use crate::support::{Stack, event, opened, state, vault, waiting};

/// Runs side by side, each lane with buckets and proxies of its own.
const LANES: u64 = 6;

fn number(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(default, |value| value.parse().unwrap())
}

struct Lane {
    stack: &'static Stack,
    inbox: VersionedBucket,
    vault: Vault,
    proxies: Proxies,
    proxied: Arc<Inbox>,
    /// The function without proxies.
    state: Arc<Inbox>,
}

impl Lane {
    async fn start(stack: &'static Stack, lane: u64) -> Self {
        let (inbox, sealed) = buckets(lane);
        let (proxies, proxied) = stack.proxied(&inbox, &sealed).await;
        Self {
            proxies,
            proxied,
            state: state(&stack.clients, &inbox, &sealed),
            vault: vault(&stack.clients, &sealed),
            inbox: VersionedBucket::new(stack.clients.s3.clone(), inbox),
            stack,
        }
    }

    async fn drop(&self, key: &ObjectKey, content: &[u8]) {
        let put = self.stack.put_raw(self.inbox.name(), key.as_str(), content);
        put.await;
    }

    /// What `DELETE /api/files/{id}` does.
    async fn delete(&self, key: &ObjectKey) {
        let waiting = self.inbox.versions(key).await.unwrap();
        self.inbox.delete(key).await.unwrap();
        self.vault.delete(key).await.unwrap();
        self.inbox.remove_objects(key, &waiting).await.unwrap();
    }

    /// What Lambda does with an event: three attempts, then the dead-letter queue.
    async fn deliver(&self, key: &ObjectKey) {
        for _ in 0..3 {
            let event = event(self.inbox.name(), &[key.as_str()]);
            if handle(event, &self.proxied).await.is_ok() {
                return;
            }
        }
    }

    /// One file's life. Returns how many requests passed the proxies.
    async fn live(&self, seed: u64) -> u64 {
        let key = ObjectKey::parse(&format!("acme/{seed}")).unwrap();
        let len = match seed % 12 {
            0 => 0,
            1 => (8 << 20) + 1 + seed as usize % 100_000,
            _ => (seed as usize * 7_919) % 200_000,
        };
        let (first, second) = (seeded_bytes(seed, len), seeded_bytes(seed + 1, 1_000));
        self.drop(&key, &first).await;

        let (s3, kms) = faults();
        self.proxies.s3.set_rule(Fault::seeded(seed, 5, s3));
        self.proxies.kms.set_rule(Fault::seeded(seed, 4, kms));
        let scenario = seed / 12 % 4;
        let meanwhile = async {
            match scenario {
                0 => {}
                1 => self.deliver(&key).await,
                2 => {
                    self.drop(&key, &second).await;
                    self.deliver(&key).await;
                }
                _ => self.delete(&key).await,
            }
        };
        tokio::join!(self.deliver(&key), meanwhile);
        let expected = match scenario {
            0 | 1 => Some(first),
            2 => Some(second),
            _ => None,
        };
        let requests = self.proxies.s3.requests() + self.proxies.kms.requests();
        self.proxies.s3.clear_rule();
        self.proxies.kms.clear_rule();

        // The event again, from the dead-letter queue, and the sweep.
        let event = event(self.inbox.name(), &[key.as_str()]);
        handle(event, &self.state).await.unwrap();
        handle(json!({"sweep": true}), &self.state).await.unwrap();
        let readable = opened(&self.vault, key.as_str()).await;
        let is_last = readable == expected;
        assert!(is_last, "seed {seed}: not what was dropped last");
        assert_eq!(waiting(&self.inbox).await, 0, "seed {seed}: plaintext left");
        let vault = self.vault.bucket().name();
        let left = self.stack.multipart_uploads(vault).await;
        assert_eq!(left, 0, "seed {seed}: uploads left");
        requests
    }
}

fn buckets(lane: u64) -> (String, String) {
    (format!("inbox-{lane}"), format!("vault-{lane}"))
}

/// Errors, delays, cuts after some bytes, lost responses, and a time-out after the server has acted.
fn faults() -> (Vec<Fault>, Vec<Fault>) {
    let too_late = Duration::from_millis(1_600); // an attempt has 1.5 s
    let everywhere = [
        Fault::DelayRequest(Duration::from_millis(5)),
        Fault::DelayResponse(Duration::from_millis(20)),
        Fault::DelayResponse(too_late),
        Fault::DropResponse,
        Fault::CutResponse(30),
        Fault::CutRequest(100),
    ];
    let s3 = [
        Fault::slow_down(),
        Fault::internal_error(),
        Fault::CutRequest(50_000),
        Fault::CutResponse(50_000),
    ];
    let kms = [Fault::kms_throttled(), Fault::kms_internal()];
    (
        [&s3[..], &everywhere].concat(),
        [&kms[..], &everywhere].concat(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_lose_nothing_and_leave_nothing() {
    let buckets = (0..LANES).flat_map(|lane| {
        let (inbox, vault) = buckets(lane);
        [inbox, vault].map(BucketConfig::versioned)
    });
    let buckets: Vec<_> = buckets.collect();
    let stack: &'static Stack = Box::leak(Box::new(Stack::with_buckets(&buckets).await));
    let first = number("SEAL_FAULT_SEED", 0);
    let end = first + number("SEAL_FAULT_RUNS", 60);
    let lanes = (0..LANES).map(|lane| async move {
        let seeds = (first + lane..end).step_by(LANES as usize);
        let lane = Lane::start(stack, lane).await;
        let mut requests = 0;
        for seed in seeds {
            requests += lane.live(seed).await;
        }
        requests
    });
    let requests: u64 = join_all(lanes).await.into_iter().sum();
    println!("{} runs, {requests} requests", end - first);
}
