//! An S3 and a KMS of the test's own, and a vault on them.

use std::{collections::HashMap, time::Duration};

use aws_sdk_s3::primitives::ByteStream;
use caas_aws::{Clients, ClientsConfig, KmsKey, ObjectKey};
use caas_emulator::{BucketConfig, Calls, Config, Emulator, FaultProxy};
use caas_vault::Vault;
use tempfile::TempDir;

pub(crate) const BUCKET: &str = "vault";
const KEY: &str = "alias/files";

pub(crate) struct Stack {
    pub(crate) emulator: Emulator,
    /// Clients of the emulator itself, whatever the proxies do.
    pub(crate) clients: Clients,
    pub(crate) vault: Vault,
    pub(crate) s3_proxy: FaultProxy,
    pub(crate) kms_proxy: FaultProxy,
    _folder: TempDir,
}

impl Stack {
    /// A vault that talks to the emulator.
    pub(crate) async fn start() -> Self {
        let mut stack = Self::with_proxies().await;
        stack.vault = vault(&stack.clients);
        stack
    }

    /// A vault that talks through proxies, and gives up soon.
    pub(crate) async fn with_proxies() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::new(folder.path());
        config.buckets.push(BucketConfig::versioned(BUCKET));
        config.key_aliases.push(KEY.to_owned());
        let emulator = Emulator::start(config).await.unwrap();
        let s3_proxy = FaultProxy::start(emulator.s3_addr()).await.unwrap();
        let kms_proxy = FaultProxy::start(emulator.kms_addr()).await.unwrap();

        let connect = |s3: String, kms: String, timeout| {
            let credentials = (
                emulator.access_key_id().to_owned(),
                emulator.secret_access_key().to_owned(),
            );
            let config = ClientsConfig {
                s3_endpoint: Some(s3),
                kms_endpoint: Some(kms),
                region: Some(emulator.region().to_owned()),
                credentials: Some(credentials),
                s3_timeout: timeout,
                kms_timeout: timeout,
            };
            config.connect()
        };
        let patience = Duration::from_secs(60);
        let clients = connect(emulator.s3_url(), emulator.kms_url(), patience).await;
        let proxied = connect(s3_proxy.url(), kms_proxy.url(), Duration::from_secs(4)).await;
        Self {
            vault: vault(&proxied),
            emulator,
            clients,
            s3_proxy,
            kms_proxy,
            _folder: folder,
        }
    }

    /// What `operation` called.
    pub(crate) async fn calls_of<T>(&self, operation: impl Future<Output = T>) -> (T, Calls) {
        let before = self.emulator.calls();
        let result = operation.await;
        (result, self.emulator.calls().since(&before))
    }

    /// An object as it is stored: its metadata and its body.
    pub(crate) async fn raw(&self, key: &ObjectKey) -> (HashMap<String, String>, Vec<u8>) {
        let request = self.clients.s3.get_object().bucket(BUCKET);
        let answer = request.key(key.as_str()).send().await.unwrap();
        let body = answer.body.collect().await.unwrap().to_vec();
        (answer.metadata.unwrap_or_default(), body)
    }

    /// Stores an object as it is.
    pub(crate) async fn put_raw(
        &self,
        key: &ObjectKey,
        metadata: HashMap<String, String>,
        body: Vec<u8>,
    ) {
        let request = self.clients.s3.put_object().bucket(BUCKET);
        let request = request.key(key.as_str()).set_metadata(Some(metadata));
        request.body(ByteStream::from(body)).send().await.unwrap();
    }

    /// The keys of all visible objects.
    pub(crate) async fn visible(&self) -> Vec<String> {
        let request = self.clients.s3.list_objects_v2().bucket(BUCKET);
        let answer = request.send().await.unwrap();
        let keys = answer.contents.unwrap_or_default().into_iter();
        keys.map(|object| object.key.unwrap()).collect()
    }

    /// How many multipart uploads are neither completed nor aborted.
    pub(crate) async fn uploads(&self) -> usize {
        let request = self.clients.s3.list_multipart_uploads().bucket(BUCKET);
        request
            .send()
            .await
            .unwrap()
            .uploads
            .unwrap_or_default()
            .len()
    }
}

fn vault(clients: &Clients) -> Vault {
    let key = KmsKey::new(clients.kms.clone(), KEY);
    Vault::new(clients.s3.clone(), BUCKET, key)
}

pub(crate) fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

/// Bytes that do not repeat soon.
pub(crate) fn bytes(len: usize) -> Vec<u8> {
    (0..len as u64)
        .map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 37) as u8)
        .collect()
}
