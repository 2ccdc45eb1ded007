//! A whole service in this process, and the program.

use std::{
    fs,
    io::Write,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use caas_audit::Trail;
use caas_testing::{API_KEY, CLIENTS, FaultProxy, Log, Stack, settings};
use hyper_util::service::TowerToHyperService;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::spawn_blocking, time::interval};
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_caas");

/// A service that listens, with every function.
pub(crate) struct Service {
    pub(crate) stack: Stack,
    /// Between everybody and the service.
    pub(crate) proxy: FaultProxy,
    pub(crate) program: Program,
    /// The audit trail.
    pub(crate) trail: Log,
    writer: Trail,
    _stop: DropGuard,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let stack = Stack::start().await;
        let settings = settings([("CLIENTS_BUCKET", CLIENTS)]);
        let trail = Log::default();
        let writer = Trail::new(trail.clone(), None);
        let mut config = encrypt_data::Config::read(&settings).unwrap();
        config.http.edge.trail = writer.clone();
        let encrypt_data = encrypt_data::Service::new(config, &stack.clients);
        let emulator = &stack.emulator;
        let aws = caas_aws::ClientsConfig {
            s3_endpoint: Some(emulator.s3_url()),
            kms_endpoint: Some(emulator.kms_url()),
            region: Some(emulator.region().to_owned()),
            credentials: Some((
                emulator.access_key_id().to_owned(),
                emulator.secret_access_key().to_owned(),
            )),
            ..caas_aws::ClientsConfig::default()
        };
        let mut config = encrypt_file::Config::read(&settings).unwrap();
        config.http.edge.trail = writer.clone();
        let encrypt_file = encrypt_file::Service::connect(config, aws);
        let mut config = upload_file::Config::read(&settings).unwrap();
        config.http.edge.trail = writer.clone();
        let upload_file = upload_file::Service::new(config, stack.clients.clone());
        let router = encrypt_file::router(Arc::new(encrypt_file.await))
            .merge(encrypt_data::router(Arc::new(encrypt_data)))
            .merge(upload_file::router(Arc::new(upload_file)));

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let service = TowerToHyperService::new(router);
        tokio::spawn(caas_server::serve(listener, service, stop.clone()));
        let proxy = FaultProxy::start(address).await.unwrap();
        Self {
            program: Program::new(&proxy.url(), API_KEY),
            stack,
            proxy,
            trail,
            writer,
            _stop: stop.drop_guard(),
        }
    }

    /// Runs the program with the API key of the client `acme`.
    pub(crate) async fn caas(&self, arguments: &[&str], input: &str) -> Ended {
        self.program.run(arguments, input).await
    }

    /// Seals what is dropped, until the test ends.
    pub(crate) fn seal_inbox(&self) {
        let config = seal_object::Config::read(&settings([("SWEEP_AGE_SECONDS", "0")]));
        let inbox = config.unwrap().inbox(&self.stack.clients);
        let inbox = inbox.with_trail(self.writer.clone());
        tokio::spawn(async move {
            let mut ticks = interval(Duration::from_millis(50));
            loop {
                ticks.tick().await;
                inbox.sweep().await;
            }
        });
    }

    /// A folder like that of the local service.
    pub(crate) fn data_dir(&self) -> TempDir {
        let emulator = &self.stack.emulator;
        let folder = tempfile::tempdir().unwrap();
        let variables = [
            ("AWS_ENDPOINT_URL_S3", &*emulator.s3_url()),
            ("AWS_ACCESS_KEY_ID", emulator.access_key_id()),
            ("AWS_SECRET_ACCESS_KEY", emulator.secret_access_key()),
            ("AWS_REGION", emulator.region()),
            ("CLIENTS_BUCKET", CLIENTS),
        ];
        let lines = variables.map(|(name, value)| format!("export {name}='{value}'\n"));
        fs::write(folder.path().join("env"), lines.concat()).unwrap();
        folder
    }
}

/// The program, with an environment and a home of its own.
#[derive(Clone)]
pub(crate) struct Program {
    url: String,
    api_key: String,
    home: Arc<TempDir>,
}

impl Program {
    pub(crate) fn new(url: &str, api_key: &str) -> Self {
        Self {
            url: url.to_owned(),
            api_key: api_key.to_owned(),
            home: Arc::new(tempfile::tempdir().unwrap()),
        }
    }

    /// The same with another API key.
    pub(crate) fn with_key(&self, api_key: &str) -> Self {
        Self::new(&self.url, api_key)
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file and returns its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.home().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(arguments)
            .current_dir(self.home())
            .env_clear()
            .env("HOME", self.home())
            .env("CAAS_URL", &self.url)
            .env("CAAS_API_KEY", &self.api_key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str], input: &str) -> Ended {
        run(self.command(arguments), input, |_| {}).await
    }
}

/// Runs a command with this input; `watch` sees it before.
pub(crate) async fn run(
    mut command: Command,
    input: &str,
    watch: impl FnOnce(&Child) + Send + 'static,
) -> Ended {
    let input = input.to_owned();
    let run = move || {
        let mut child = command.spawn().unwrap();
        watch(&child);
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || {
            // A program that fails early does not read it all.
            let _ = stdin.write_all(input.as_bytes());
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    };
    spawn_blocking(run).await.unwrap()
}

/// What a program left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Its results, if it succeeded.
    #[track_caller]
    pub(crate) fn succeeded(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// Its messages, if it failed with this code.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.stderr
    }
}
