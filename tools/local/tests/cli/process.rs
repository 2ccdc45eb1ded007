//! One running program.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

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
        let mut child = Command::new(BINARY)
            .args([
                "--port",
                "0",
                "--s3-port",
                "0",
                "--kms-port",
                "0",
                "--data-dir",
            ])
            .arg(data_dir)
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        while !greeting.contains("/openapi.json\n") {
            assert_ne!(
                stdout.read_line(&mut greeting).unwrap(),
                0,
                "ended early: {greeting}"
            );
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

    pub(crate) fn port(&self) -> u16 {
        self.env["CAAS_URL"]
            .rsplit_once(':')
            .unwrap()
            .1
            .parse()
            .unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
