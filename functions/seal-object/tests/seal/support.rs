//! The function on S3 and KMS in this process.

use std::{ops::Deref, sync::Arc, time::Duration};

use caas_aws::{Clients, KmsKey, ObjectKey, PutOptions, VersionedBucket};
use caas_emulator::BucketConfig;
use caas_inbox::{Inbox, InboxSettings, Report, SweepSettings};
use caas_testing::{FILE_KEY, INBOX, Proxies, VAULT, clients};
use caas_vault::{GetError, Vault};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use seal_object::{HandleError, handle};
use serde_json::{Value, json};

pub(crate) const MAX_BYTES: u64 = 20 << 20;

pub(crate) struct Stack {
    stack: caas_testing::Stack,
    pub(crate) vault: Vault,
    pub(crate) inbox: VersionedBucket,
    /// The function without proxies; a sweep finds everything old enough.
    pub(crate) state: Arc<Inbox>,
}

impl Deref for Stack {
    type Target = caas_testing::Stack;

    fn deref(&self) -> &Self::Target {
        &self.stack
    }
}

impl Stack {
    pub(crate) async fn start() -> Self {
        Self::with_buckets(&[INBOX, VAULT].map(BucketConfig::versioned)).await
    }

    pub(crate) async fn with_buckets(buckets: &[BucketConfig]) -> Self {
        let stack = caas_testing::Stack::with_buckets(buckets).await;
        let clients = &stack.clients;
        Self {
            vault: vault(clients, VAULT),
            inbox: VersionedBucket::new(clients.s3.clone(), INBOX),
            state: state(clients, INBOX, VAULT),
            stack,
        }
    }

    /// The function behind new proxies, which gives up soon.
    pub(crate) async fn proxied(&self, inbox: &str, vault: &str) -> (Proxies, Arc<Inbox>) {
        let proxies = self.proxies(Duration::from_secs(3)).await;
        let state = state(&proxies.clients, inbox, vault);
        (proxies, state)
    }

    /// Drops a file, and says which version it is.
    pub(crate) async fn drop(&self, key: &str, content: Vec<u8>) -> String {
        let put = self.clients.s3.put_object().bucket(INBOX).key(key);
        let put = put.content_type("text/x-test").body(content.into());
        put.send().await.unwrap().version_id.unwrap()
    }

    /// Drops a file in parts.
    pub(crate) async fn drop_in_parts(&self, key: &str, content: Vec<u8>) {
        let upload = clients::upload_part(&self.clients.s3, INBOX, key, content);
        upload.await.unwrap().send().await.unwrap();
    }

    pub(crate) async fn handle(&self, event: Value) -> Result<Report, HandleError> {
        handle(event, &self.state).await
    }

    /// Handles an event that names these keys, of which all must come out well.
    pub(crate) async fn seal(&self, keys: &[&str]) -> Report {
        self.handle(event(INBOX, keys)).await.unwrap()
    }

    /// What the vault shows under the key.
    pub(crate) async fn opened(&self, key: &str) -> Option<Vec<u8>> {
        opened(&self.vault, key).await
    }

    /// How many versions of all keys are in the inbox, delete markers not counted.
    pub(crate) async fn waiting(&self) -> usize {
        waiting(&self.inbox).await
    }

    /// Writes to the vault what a run has written that was sealing the version `source`.
    pub(crate) async fn write_as_run(&self, key: &str, content: &[u8], source: &str, after: &str) {
        let options = PutOptions::default().metadata("caas-source-version", source);
        let options = options.unwrap().metadata("caas-after-delete", after);
        let (key, options) = (ObjectKey::parse(key).unwrap(), options.unwrap());
        let put = self.vault.put(&key, content.to_vec(), &options);
        put.await.unwrap();
    }
}

pub(crate) fn settings(inbox: &str) -> InboxSettings {
    InboxSettings {
        bucket: inbox.to_owned(),
        max_bytes: MAX_BYTES,
    }
}

/// A sweep that finds everything old enough.
pub(crate) fn sweep_settings() -> SweepSettings {
    SweepSettings {
        age: Duration::ZERO,
        longest_run: Duration::ZERO,
        time: Duration::from_secs(600),
    }
}

pub(crate) fn state(clients: &Clients, inbox: &str, vault_bucket: &str) -> Arc<Inbox> {
    let vault = vault(clients, vault_bucket);
    let s3 = clients.s3.clone();
    Arc::new(Inbox::new(s3, vault, settings(inbox), sweep_settings()))
}

/// The function with another sweep.
pub(crate) fn with_sweep(clients: &Clients, sweep: SweepSettings) -> Inbox {
    let vault = vault(clients, VAULT);
    Inbox::new(clients.s3.clone(), vault, settings(INBOX), sweep)
}

pub(crate) fn vault(clients: &Clients, bucket: &str) -> Vault {
    let key = KmsKey::new(clients.kms.clone(), FILE_KEY);
    Vault::new(clients.s3.clone(), bucket, key)
}

pub(crate) async fn opened(vault: &Vault, key: &str) -> Option<Vec<u8>> {
    let key = ObjectKey::parse(key).unwrap();
    match vault.get(&key, MAX_BYTES).await {
        Ok(opened) => Some(opened.content),
        Err(GetError::NotFound) => None,
        Err(error) => panic!("{error}"),
    }
}

pub(crate) async fn waiting(inbox: &VersionedBucket) -> usize {
    let page = inbox.all_versions("", None).await.unwrap();
    assert!(page.next.is_none(), "more than a page");
    let objects = page.versions.iter().filter(|v| !v.is_delete_marker);
    objects.count()
}

/// S3's notification that these keys were created.
pub(crate) fn event(bucket: &str, keys: &[&str]) -> Value {
    let records = keys.iter().map(|key| {
        let key = utf8_percent_encode(key, NON_ALPHANUMERIC).to_string();
        let object = json!({"key": key.replace("%20", "+"), "size": 1});
        json!({"eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": bucket}, "object": object}})
    });
    json!({"Records": records.collect::<Vec<_>>()})
}
