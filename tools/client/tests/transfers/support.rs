//! A service with an S3 and a KMS of the test's own, listening, and a client of it.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use caas_aws::{Clients, ClientsConfig};
use caas_client::{Client, Mode, Progress, Retries, Upload, UploadError, Uploaded};
use caas_emulator::{BucketConfig, Config as EmulatorConfig, Emulator, FaultProxy};
use caas_settings::Settings;
use hyper_util::service::TowerToHyperService;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use upload_file::{Config, Service};

const API_KEY: &str = "caas_tests-only-tests-only-tests-only-tests-acme";
pub(crate) const VAULT: &str = "vault";
pub(crate) const INBOX: &str = "inbox";

pub(crate) struct Stack {
    pub(crate) emulator: Emulator,
    /// Clients of the emulator itself, whatever the proxy does.
    pub(crate) clients: Clients,
    /// Between everybody else and S3: presigned requests go through it too.
    pub(crate) s3_proxy: FaultProxy,
    /// Between the client and the service.
    pub(crate) service_proxy: FaultProxy,
    /// The service's routes, to call without the network.
    pub(crate) router: Router,
    pub(crate) client: Client,
    pub(crate) folder: TempDir,
    _stop: DropGuard,
}

impl Stack {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = EmulatorConfig::new(folder.path().join("aws"));
        config.buckets = [VAULT, INBOX].map(BucketConfig::versioned).into();
        config.key_aliases.push("alias/files".to_owned());
        let emulator = Emulator::start(config).await.unwrap();
        let s3_proxy = FaultProxy::start(emulator.s3_addr()).await.unwrap();
        let connect = |s3: String| {
            let (id, secret) = (emulator.access_key_id(), emulator.secret_access_key());
            let config = ClientsConfig {
                s3_endpoint: Some(s3),
                kms_endpoint: Some(emulator.kms_url()),
                region: Some(emulator.region().to_owned()),
                credentials: Some((id.to_owned(), secret.to_owned())),
                ..ClientsConfig::default()
            };
            config.connect()
        };
        let clients = connect(emulator.s3_url()).await;
        let service = Service::new(config_of_service(), connect(s3_proxy.url()).await);
        let router = upload_file::router(Arc::new(service));
        let stop = CancellationToken::new();
        let address = serve(router.clone(), stop.clone()).await;
        let service_proxy = FaultProxy::start(address).await.unwrap();
        Self {
            client: client(&service_proxy.url()),
            router,
            emulator,
            clients,
            s3_proxy,
            service_proxy,
            folder,
            _stop: stop.drop_guard(),
        }
    }

    /// A file to upload.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Seals everything that lies in the inbox.
    pub(crate) async fn seal_inbox(&self) {
        let settings = Settings::from([
            ("VAULT_BUCKET", VAULT),
            ("INBOX_BUCKET", INBOX),
            ("FILE_KEY_ID", "alias/files"),
            ("SWEEP_AGE_SECONDS", "0"),
        ]);
        let inbox = seal_object::Config::read(&settings).unwrap();
        assert_eq!(inbox.inbox(&self.clients).sweep().await.failed, 0);
    }

    /// Uploads the file under its own name.
    pub(crate) async fn upload(&self, path: &Path, mode: Mode) -> Result<Uploaded, UploadError> {
        self.client.upload(&Upload::new(path, mode), ignore).await
    }

    /// An empty folder to download into.
    pub(crate) fn destination(&self) -> TempDir {
        TempDir::new_in(self.folder.path()).unwrap()
    }

    /// The keys of all visible objects in a bucket.
    pub(crate) async fn visible(&self, bucket: &str) -> Vec<String> {
        let request = self.clients.s3.list_objects_v2().bucket(bucket);
        let objects = request.send().await.unwrap().contents.unwrap_or_default();
        objects
            .into_iter()
            .map(|object| object.key.unwrap())
            .collect()
    }
}

/// Serves on any free loopback port until `stop`.
pub(crate) async fn serve(router: Router, stop: CancellationToken) -> std::net::SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = TowerToHyperService::new(router);
    tokio::spawn(caas_server::serve(listener, service, stop));
    address
}

/// A client that does not wait between attempts.
pub(crate) fn client(url: &str) -> Client {
    let retries = Retries {
        attempts: 4,
        first_delay: Duration::ZERO,
        longest_delay: Duration::ZERO,
    };
    Client::new(url, API_KEY).unwrap().with_retries(retries)
}

fn config_of_service() -> Config {
    let keys = format!("acme:{}", caas_http::hash_api_key(API_KEY));
    let settings = Settings::from([
        ("API_KEYS", keys.as_str()),
        ("VAULT_BUCKET", VAULT),
        ("INBOX_BUCKET", INBOX),
        ("FILE_KEY_ID", "alias/files"),
    ]);
    Config::read(&settings).unwrap()
}

/// Bytes that do not repeat soon.
pub(crate) fn bytes(len: usize) -> Vec<u8> {
    (0..len as u64)
        .map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 37) as u8)
        .collect()
}

/// The S3 key of a file.
pub(crate) fn key_of(id: &str) -> String {
    let path = BASE64_URL_SAFE_NO_PAD.decode(id).unwrap();
    format!("acme/{}", String::from_utf8(path).unwrap())
}

pub(crate) fn ignore(_: Progress) {}

pub(crate) fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}
