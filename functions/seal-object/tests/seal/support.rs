//! An S3 and a KMS of the test's own, and the function on them.

use std::{sync::Arc, time::Duration};

use aws_sdk_s3::primitives::ByteStream;
use caas_aws::{Clients, ClientsConfig, KmsKey, ObjectKey, PutOptions, VersionedBucket};
use caas_emulator::{BucketConfig, Calls, Emulator, FaultProxy};
use caas_inbox::{Inbox, InboxSettings, Report};
use caas_vault::Vault;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use seal_object::{HandleError, handle};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const INBOX: &str = "inbox";
pub(crate) const VAULT: &str = "vault";
pub(crate) const MAX_BYTES: u64 = 20 << 20;
const KEY: &str = "alias/files";

pub(crate) struct Stack {
    pub(crate) emulator: Emulator,
    /// Clients of the emulator itself, whatever the proxies do.
    pub(crate) clients: Clients,
    pub(crate) vault: Vault,
    pub(crate) inbox: VersionedBucket,
    /// The function, on the emulator itself; a sweep finds everything old enough.
    pub(crate) state: Arc<Inbox>,
    _folder: TempDir,
}

impl Stack {
    pub(crate) async fn start() -> Self {
        Self::with_buckets(&[INBOX, VAULT].map(BucketConfig::versioned)).await
    }

    pub(crate) async fn with_buckets(buckets: &[BucketConfig]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = caas_emulator::Config::new(folder.path());
        config.buckets = buckets.to_vec();
        config.key_aliases.push(KEY.to_owned());
        let emulator = Emulator::start(config).await.unwrap();
        let (s3, kms) = (emulator.s3_url(), emulator.kms_url());
        let clients = connect(&emulator, s3, kms, Duration::from_secs(120)).await;
        Self {
            vault: vault(&clients, VAULT),
            inbox: VersionedBucket::new(clients.s3.clone(), INBOX),
            state: state(&clients, INBOX, VAULT),
            clients,
            emulator,
            _folder: folder,
        }
    }

    /// Drops a file, and says which version it is.
    pub(crate) async fn drop(&self, key: &str, content: Vec<u8>) -> String {
        let put = self.clients.s3.put_object().bucket(INBOX).key(key);
        let put = put.content_type("text/x-test").body(content.into());
        put.send().await.unwrap().version_id.unwrap()
    }

    /// Drops a file in parts.
    pub(crate) async fn drop_in_parts(&self, key: &str, content: Vec<u8>) {
        let s3 = &self.clients.s3;
        let created = s3.create_multipart_upload().bucket(INBOX).key(key);
        let id = created.send().await.unwrap().upload_id.unwrap();
        let part = s3.upload_part().bucket(INBOX).key(key).upload_id(&id);
        let part = part.part_number(1).body(ByteStream::from(content));
        let e_tag = part.send().await.unwrap().e_tag.unwrap();
        let part = aws_sdk_s3::types::CompletedPart::builder()
            .part_number(1)
            .e_tag(e_tag)
            .build();
        let parts = aws_sdk_s3::types::CompletedMultipartUpload::builder()
            .parts(part)
            .build();
        let complete = s3.complete_multipart_upload().bucket(INBOX).key(key);
        let complete = complete.upload_id(id).multipart_upload(parts);
        complete.send().await.unwrap();
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

    /// Writes to the vault what a run has written that was sealing this version.
    pub(crate) async fn write_as_run(
        &self,
        key: &str,
        content: &[u8],
        source: &str,
        after_delete: &str,
    ) {
        let options = PutOptions::default()
            .metadata("caas-source-version", source)
            .and_then(|options| options.metadata("caas-after-delete", after_delete))
            .unwrap();
        let key = ObjectKey::parse(key).unwrap();
        let put = self.vault.put(&key, content.to_vec(), &options);
        put.await.unwrap();
    }

    /// What `operation` called.
    pub(crate) async fn calls_of<T>(&self, operation: impl Future<Output = T>) -> (T, Calls) {
        let before = self.emulator.calls();
        let result = operation.await;
        (result, self.emulator.calls().since(&before))
    }
}

/// What misbehaves between a function and its S3 and KMS.
pub(crate) struct Proxied {
    pub(crate) s3: FaultProxy,
    pub(crate) kms: FaultProxy,
    pub(crate) state: Arc<Inbox>,
}

impl Proxied {
    /// A function of its own behind proxies, which gives up soon.
    pub(crate) async fn start(emulator: &Emulator, inbox: &str, vault: &str) -> Self {
        let s3 = FaultProxy::start(emulator.s3_addr()).await.unwrap();
        let kms = FaultProxy::start(emulator.kms_addr()).await.unwrap();
        let patience = Duration::from_secs(3);
        let clients = connect(emulator, s3.url(), kms.url(), patience).await;
        Self {
            state: state(&clients, inbox, vault),
            s3,
            kms,
        }
    }
}

async fn connect(emulator: &Emulator, s3: String, kms: String, patience: Duration) -> Clients {
    let credentials = (
        emulator.access_key_id().to_owned(),
        emulator.secret_access_key().to_owned(),
    );
    let config = ClientsConfig {
        s3_endpoint: Some(s3),
        kms_endpoint: Some(kms),
        region: Some(emulator.region().to_owned()),
        credentials: Some(credentials),
        s3_timeout: patience,
        kms_timeout: patience,
    };
    config.connect().await
}

pub(crate) fn settings(inbox: &str) -> InboxSettings {
    InboxSettings {
        bucket: inbox.to_owned(),
        max_bytes: MAX_BYTES,
        sweep_age: Duration::ZERO,
        longest_run: Duration::ZERO,
    }
}

pub(crate) fn state(clients: &Clients, inbox: &str, vault_bucket: &str) -> Arc<Inbox> {
    with_settings(clients, vault_bucket, settings(inbox))
}

pub(crate) fn with_settings(
    clients: &Clients,
    vault_bucket: &str,
    settings: InboxSettings,
) -> Arc<Inbox> {
    let vault = vault(clients, vault_bucket);
    Arc::new(Inbox::new(clients.s3.clone(), vault, settings))
}

pub(crate) fn vault(clients: &Clients, bucket: &str) -> Vault {
    let key = KmsKey::new(clients.kms.clone(), KEY);
    Vault::new(clients.s3.clone(), bucket, key)
}

pub(crate) async fn opened(vault: &Vault, key: &str) -> Option<Vec<u8>> {
    let key = ObjectKey::parse(key).unwrap();
    match vault.get(&key, MAX_BYTES).await {
        Ok(opened) => Some(opened.content),
        Err(caas_vault::GetError::NotFound) => None,
        Err(error) => panic!("{error}"),
    }
}

pub(crate) async fn waiting(inbox: &VersionedBucket) -> usize {
    let page = inbox.all_versions(None).await.unwrap();
    assert!(page.next.is_none(), "more than a page");
    let objects = page.versions.iter().filter(|v| !v.is_delete_marker);
    objects.count()
}

/// Multipart uploads in a bucket that are neither completed nor aborted.
pub(crate) async fn uploads(clients: &Clients, bucket: &str) -> usize {
    let request = clients.s3.list_multipart_uploads().bucket(bucket);
    let answer = request.send().await.unwrap();
    answer.uploads.unwrap_or_default().len()
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

/// Bytes that do not repeat soon, another sequence for every seed.
pub(crate) fn bytes(seed: u64, len: usize) -> Vec<u8> {
    (0..len as u64)
        .map(|i| ((i + (seed << 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 37) as u8)
        .collect()
}
