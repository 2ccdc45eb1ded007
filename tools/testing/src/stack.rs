//! S3 and KMS in the test's process, with the buckets and keys that the functions use.

use std::{collections::HashMap, time::Duration};

use aws_sdk_s3::primitives::ByteStream;
use caas_aws::{Clients, ClientsConfig};
use caas_emulator::{BucketConfig, Calls, Config, Emulator};
use caas_settings::Settings;
use tempfile::TempDir;

use crate::{FaultProxy, api_keys};

/// The bucket of sealed files.
pub const VAULT: &str = "vault";
/// The bucket of dropped files.
pub const INBOX: &str = "inbox";
/// The bucket of users' records.
pub const USER_KEYS: &str = "user-keys";
/// The bucket of the registry of clients.
pub const CLIENTS: &str = "clients";
/// The KMS key of files.
pub const FILE_KEY: &str = "alias/files";
/// The KMS key of users.
pub const USER_KEY: &str = "alias/users";

/// Longer than any request takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

/// The settings that the template gives to functions, changed by these.
pub fn settings<const N: usize>(own: [(&str, &str); N]) -> Settings {
    let own = Settings::from(own);
    let template = [
        ("API_KEYS", &*api_keys()),
        ("VAULT_BUCKET", VAULT),
        ("INBOX_BUCKET", INBOX),
        ("USER_KEYS_BUCKET", USER_KEYS),
        ("FILE_KEY_ID", FILE_KEY),
        ("USER_KEY_ID", USER_KEY),
    ];
    let template = Settings::from(template);
    Settings::new(move |name| own.get(name).or_else(|| template.get(name)))
}

/// S3 and KMS, and clients of them.
#[derive(Debug)]
pub struct Stack {
    /// S3 and KMS.
    pub emulator: Emulator,
    /// Clients of the emulator itself, whatever proxies do.
    pub clients: Clients,
    /// For the test's own files. The emulator's are in `aws`.
    pub folder: TempDir,
}

/// Clients of a stack behind proxies.
#[derive(Debug)]
pub struct Proxies {
    /// Between the clients and S3.
    pub s3: FaultProxy,
    /// Between the clients and KMS.
    pub kms: FaultProxy,
    /// The clients.
    pub clients: Clients,
}

impl Stack {
    /// Starts with empty versioned buckets.
    pub async fn start() -> Self {
        Self::with_buckets(&[VAULT, INBOX, USER_KEYS, CLIENTS].map(BucketConfig::versioned)).await
    }

    /// Starts with these buckets.
    pub async fn with_buckets(buckets: &[BucketConfig]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), buckets).await
    }

    /// Stops S3 and KMS, and starts them again.
    pub async fn restart(self) -> Self {
        self.emulator.shutdown().await;
        Self::start_in(self.folder, &[]).await
    }

    async fn start_in(folder: TempDir, buckets: &[BucketConfig]) -> Self {
        let mut config = Config::new(folder.path().join("aws"));
        config.buckets = buckets.to_vec();
        config.key_aliases = [FILE_KEY, USER_KEY].map(str::to_owned).into();
        let emulator = Emulator::start(config).await.unwrap();
        let (s3, kms) = (emulator.s3_url(), emulator.kms_url());
        Self {
            clients: connect(&emulator, s3, kms, PATIENCE).await,
            emulator,
            folder,
        }
    }

    /// Clients behind new proxies, which wait `patience` for S3 and KMS.
    pub async fn proxies(&self, patience: Duration) -> Proxies {
        let s3 = FaultProxy::start(self.emulator.s3_addr()).await.unwrap();
        let kms = FaultProxy::start(self.emulator.kms_addr()).await.unwrap();
        Proxies {
            clients: connect(&self.emulator, s3.url(), kms.url(), patience).await,
            s3,
            kms,
        }
    }

    /// The requests to S3 and KMS during `operation`.
    pub async fn calls_of<T>(&self, operation: impl Future<Output = T>) -> (T, Calls) {
        let before = self.emulator.calls();
        let result = operation.await;
        (result, self.emulator.calls().since(&before))
    }

    /// The keys of the current objects in a bucket.
    pub async fn visible(&self, bucket: &str) -> Vec<String> {
        let request = self.clients.s3.list_objects_v2().bucket(bucket);
        let objects = request.send().await.unwrap().contents.unwrap_or_default();
        let keys = objects.into_iter().map(|object| object.key.unwrap());
        keys.collect()
    }

    /// How many versions and delete markers of all keys a bucket has.
    pub async fn versions(&self, bucket: &str) -> (usize, usize) {
        let request = self.clients.s3.list_object_versions().bucket(bucket);
        let listed = request.send().await.unwrap();
        (listed.versions().len(), listed.delete_markers().len())
    }

    /// How many multipart uploads of a bucket are neither completed nor aborted.
    pub async fn multipart_uploads(&self, bucket: &str) -> usize {
        let request = self.clients.s3.list_multipart_uploads().bucket(bucket);
        request.send().await.unwrap().uploads().len()
    }

    /// An object as it is stored: its metadata and its body.
    pub async fn get_raw(&self, bucket: &str, key: &str) -> (HashMap<String, String>, Vec<u8>) {
        let request = self.clients.s3.get_object().bucket(bucket).key(key);
        let object = request.send().await.unwrap();
        let body = object.body.collect().await.unwrap().to_vec();
        (object.metadata.unwrap_or_default(), body)
    }

    /// Puts an object as it is.
    pub async fn put_raw(&self, bucket: &str, key: &str, body: &[u8]) {
        let request = self.clients.s3.put_object().bucket(bucket).key(key);
        let request = request.body(ByteStream::from(body.to_vec()));
        request.send().await.unwrap();
    }
}

async fn connect(emulator: &Emulator, s3: String, kms: String, patience: Duration) -> Clients {
    let (id, secret) = (emulator.access_key_id(), emulator.secret_access_key());
    let config = ClientsConfig {
        s3_endpoint: Some(s3),
        kms_endpoint: Some(kms),
        region: Some(emulator.region().to_owned()),
        credentials: Some((id.to_owned(), secret.to_owned())),
        s3_timeout: patience,
        kms_timeout: patience,
        ..ClientsConfig::default()
    };
    config.connect().await
}
