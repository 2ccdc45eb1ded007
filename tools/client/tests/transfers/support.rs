//! A service on S3 and KMS in this process, listening, and a client of it.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    ops::Deref,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use caas_client::{
    Client, DownloadError, Downloaded, Mode, Progress, Retries, Upload, UploadError, Uploaded,
};
use caas_testing::{API_KEY, FaultProxy, Proxies, request, seeded_bytes, send, settings};
use http::Method;
use hyper_util::service::TowerToHyperService;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use upload_file::{Config, Service};

/// The length of a part.
pub(crate) const PART: u64 = 8 << 20;

/// The length of [`large`]: it needs ten parts, of which the last has 21 bytes.
pub(crate) const LARGE: u64 = 9 * PART + 5;

/// How long the service waits for S3 and KMS, as on Lambda.
const PATIENCE: Duration = Duration::from_secs(14);

pub(crate) struct Stack {
    stack: caas_testing::Stack,
    /// Between everybody else and S3: presigned requests go through them too.
    pub(crate) proxies: Proxies,
    /// Between the client and the service.
    pub(crate) service_proxy: FaultProxy,
    /// The service's routes, to call without the network.
    pub(crate) router: Router,
    pub(crate) client: Client,
}

impl Deref for Stack {
    type Target = caas_testing::Stack;

    fn deref(&self) -> &Self::Target {
        &self.stack
    }
}

impl Stack {
    pub(crate) async fn start() -> Self {
        let stack = caas_testing::Stack::start().await;
        let proxies = stack.proxies(PATIENCE).await;
        let config = Config::read(&settings([])).unwrap();
        let service = Service::new(config, proxies.clients.clone());
        let router = upload_file::router(Arc::new(service));
        let address = serve(router.clone()).await;
        let service_proxy = FaultProxy::start(address).await.unwrap();
        Self {
            client: client(&service_proxy.url()),
            router,
            stack,
            proxies,
            service_proxy,
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
        let config = seal_object::Config::read(&settings([("SWEEP_AGE_SECONDS", "0")]));
        let inbox = config.unwrap().inbox(&self.clients);
        assert_eq!(inbox.sweep().await.failed, 0);
    }

    /// Uploads the file under its own name.
    pub(crate) async fn upload(&self, path: &Path, mode: Mode) -> Result<Uploaded, UploadError> {
        self.client.upload(&Upload::new(path, mode), ignore).await
    }

    /// Uploads this content in client mode, and returns the file's id.
    pub(crate) async fn stored(&self, content: &[u8]) -> String {
        let path = self.file("a", content);
        self.upload(&path, Mode::Client).await.unwrap().id
    }

    pub(crate) async fn download(&self, id: &str, to: &Path) -> Result<Downloaded, DownloadError> {
        self.client.download(id, to, ignore).await
    }

    /// Removes a file with all its versions.
    pub(crate) async fn purge(&self, id: &str) {
        let path = format!("/api/files/{id}?purge=true");
        let purged = send(&self.router, request(Method::DELETE, API_KEY, &path)).await;
        assert_eq!(purged.status, 200);
    }

    /// An empty folder, and the path of a copy in it.
    pub(crate) fn destination(&self) -> (TempDir, PathBuf) {
        let folder = TempDir::new_in(self.folder.path()).unwrap();
        let copy = folder.path().join("copy");
        (folder, copy)
    }
}

/// Serves on any free loopback port until the test ends.
pub(crate) async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = TowerToHyperService::new(router);
    let never = CancellationToken::new();
    tokio::spawn(caas_server::serve(listener, service, never));
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

/// The S3 key of a file.
pub(crate) fn key_of(id: &str) -> String {
    let path = BASE64_URL_SAFE_NO_PAD.decode(id).unwrap();
    format!("acme/{}", String::from_utf8(path).unwrap())
}

/// [`LARGE`] bytes, different for every seed.
pub(crate) fn large(seed: u64) -> Vec<u8> {
    let block = seeded_bytes(seed, 1 << 20);
    let mut content = block.repeat((LARGE as usize).div_ceil(block.len()));
    for (number, block) in (0_u64..).zip(content.chunks_mut(1 << 10)) {
        block[..8].copy_from_slice(&number.to_be_bytes());
    }
    content.truncate(LARGE as usize);
    content
}

pub(crate) fn ignore(_: Progress) {}

/// How many files are in a folder.
pub(crate) fn files_in(folder: &TempDir) -> usize {
    fs::read_dir(folder.path()).unwrap().count()
}
