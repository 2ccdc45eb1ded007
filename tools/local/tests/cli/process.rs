//! One running program.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use reqwest::{Client, Method, RequestBuilder};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_caas-local");

/// A running program, killed when dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) stdout: BufReader<ChildStdout>,
    pub(crate) env: HashMap<String, String>,
    /// What it printed up to the commands to paste.
    pub(crate) greeting: String,
}

impl Running {
    /// Starts on any free port and waits until it serves.
    pub(crate) fn start(data_dir: &Path, options: &[&str]) -> Self {
        Self::start_in(data_dir, options, &[])
    }

    /// As [`start`](Self::start), with these variables in its environment.
    pub(crate) fn start_in(data_dir: &Path, options: &[&str], env: &[(&str, &str)]) -> Self {
        let mut child = Command::new(BINARY)
            .args(["--port=0", "--s3-port=0", "--kms-port=0", "--data-dir"])
            .arg(data_dir)
            .args(options)
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        while !greeting.contains("/openapi.json\n") {
            let read = stdout.read_line(&mut greeting).unwrap();
            assert_ne!(read, 0, "ended early: {greeting}");
        }
        let env = fs::read_to_string(data_dir.join("env")).unwrap();
        let variable = |line: &str| {
            let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
            Some((name.to_owned(), value.trim_matches('\'').to_owned()))
        };
        let env = env.lines().map(|line| variable(line).unwrap()).collect();
        Self {
            child,
            stdout,
            env,
            greeting,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.env["CAAS_URL"])
    }

    /// A request with the API key.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = Client::new().request(method, self.url(path));
        request.header("x-api-key", &self.env["CAAS_API_KEY"])
    }

    /// Where it listens, on IPv4.
    pub(crate) fn address(&self) -> SocketAddr {
        let (_, port) = self.env["CAAS_URL"].rsplit_once(':').unwrap();
        (Ipv4Addr::LOCALHOST, port.parse().unwrap()).into()
    }

    /// Sends the signal of Ctrl-C, and waits until no new connection is accepted.
    #[cfg(unix)]
    pub(crate) fn interrupt(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.unwrap().success());
        while TcpStream::connect(self.address()).is_ok() {
            std::thread::yield_now();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
