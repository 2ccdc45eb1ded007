//! A service, and the program that uses it.

use std::{
    fs,
    io::Write,
    net::Ipv4Addr,
    ops::Deref,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use caas_testing::{API_KEY, FaultProxy, Proxies, seeded_bytes, settings};
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use upload_file::{Config, Service};

/// The length of [`large`]: nine parts.
pub(crate) const LARGE: usize = 70 << 20;

/// How long the service waits for S3 and KMS, as on Lambda.
const PATIENCE: Duration = Duration::from_secs(14);

pub(crate) struct Stack {
    stack: caas_testing::Stack,
    /// Between everybody else and S3: presigned requests go through them too.
    pub(crate) proxies: Proxies,
    /// Between the program and the service.
    pub(crate) service_proxy: FaultProxy,
}

impl Deref for Stack {
    type Target = caas_testing::Stack;

    fn deref(&self) -> &Self::Target {
        &self.stack
    }
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` if it was killed.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Stack {
    pub(crate) async fn start() -> Self {
        let stack = caas_testing::Stack::start().await;
        let proxies = stack.proxies(PATIENCE).await;
        let config = Config::read(&settings([])).unwrap();
        let service = Service::new(config, proxies.clients.clone());
        let router = upload_file::router(Arc::new(service));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = TowerToHyperService::new(router);
        tokio::spawn(caas_server::serve(
            listener,
            service,
            CancellationToken::new(),
        ));
        for folder in ["home", "temporary", "work"] {
            fs::create_dir(stack.folder.path().join(folder)).unwrap();
        }
        Self {
            service_proxy: FaultProxy::start(address).await.unwrap(),
            stack,
            proxies,
        }
    }

    /// A path in the folder that the program works in.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    /// Writes a file there, and the folders that it is in.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// The names of what is in the folder that the program works in.
    pub(crate) fn files(&self) -> Vec<String> {
        names(&self.path(""))
    }

    /// What is in the folder for temporary files.
    pub(crate) fn temporary(&self) -> Vec<String> {
        names(&self.folder.path().join("temporary"))
    }

    /// The journals of uploads.
    pub(crate) fn journals(&self) -> Vec<String> {
        names(&self.folder.path().join("home/state/caas/uploads"))
    }

    /// The program with these arguments.
    pub(crate) fn caas(&self, arguments: &[&str]) -> Command {
        let home = self.folder.path().join("home");
        let mut command = Command::new(env!("CARGO_BIN_EXE_caas"));
        command
            .args(arguments)
            .current_dir(self.path(""))
            .env("CAAS_URL", self.service_proxy.url())
            .env("CAAS_API_KEY", API_KEY)
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_STATE_HOME", home.join("state"))
            .env("TMPDIR", self.folder.path().join("temporary"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.caas(arguments).output().unwrap().into()
    }

    /// Runs the program with this on standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let mut child = self.caas(arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap().into()
    }

    /// Stores a file with this name and content, and returns its ID.
    pub(crate) fn stored(&self, name: &str, content: &[u8]) -> String {
        let put = self.run_with(&["put", "-", "--name", name], content);
        put.lines(0)[0].split_once("  ").unwrap().0.to_owned()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    /// Checks the exit code, and returns the lines of standard output.
    #[track_caller]
    pub(crate) fn lines(&self, code: i32) -> Vec<&str> {
        assert_eq!(self.code, Some(code), "{self:?}");
        str::from_utf8(&self.stdout).unwrap().lines().collect()
    }

    /// Checks that it failed with this code, printed nothing, and said all of this.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, said: &[&str]) {
        assert_eq!(self.lines(code), [""; 0]);
        for said in said {
            assert!(
                self.stderr.contains(said),
                "{said} is not in {}",
                self.stderr
            );
        }
    }

    /// Checks that it succeeded, and returns the objects on standard output.
    #[track_caller]
    pub(crate) fn objects(&self) -> Vec<Value> {
        let lines = self.lines(0).into_iter();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// [`LARGE`] bytes without a period.
pub(crate) fn large() -> Vec<u8> {
    let mut content = seeded_bytes(0, 1 << 20).repeat(LARGE >> 20);
    for (number, block) in (0_u64..).zip(content.chunks_mut(1 << 10)) {
        block[..8].copy_from_slice(&number.to_be_bytes());
    }
    content
}

/// The S3 key of a file.
pub(crate) fn key_of(id: &str) -> String {
    let path = BASE64_URL_SAFE_NO_PAD.decode(id).unwrap();
    format!("acme/{}", String::from_utf8(path).unwrap())
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
