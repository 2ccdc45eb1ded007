//! A transfer in a process of its own, which can be killed.

use std::{
    env, fs,
    io::{BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use caas_client::{Mode, Upload};
use serde::{Deserialize, Serialize};

use crate::support::client;

/// Set in the environment of a child.
const INPUT: &str = "CAAS_TEST_TRANSFER";

/// Comes before what a child reports.
const DONE: &str = "the transfer is done: ";

/// What a child does.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Transfer {
    /// Uploads this file with a journal in this folder.
    Up { path: PathBuf, folder: PathBuf },
    /// Resumes the download of this file to this path. Kills itself once all bytes have been received, if
    /// it shall.
    Down {
        id: String,
        path: PathBuf,
        dies: bool,
    },
}

/// What a child that was not killed reports.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) id: String,
    /// The most memory it has used, in KiB, without the pages of the program, which is unoptimised.
    pub(crate) peak: u64,
}

/// In a child: makes the transfer; true then. In the test itself: false.
#[expect(clippy::print_stdout, reason = "how the test learns the outcome")]
pub(crate) async fn ran() -> bool {
    let Ok(input) = env::var(INPUT) else {
        return false;
    };
    let (url, transfer): (String, Transfer) = serde_json::from_str(&input).unwrap();
    let client = client(&url);
    let id = match transfer {
        Transfer::Up { path, folder } => {
            let upload = Upload::new(path, Mode::Client).resume_in(folder);
            client.upload(&upload, |_| {}).await.unwrap().id
        }
        Transfer::Down { id, path, dies } => {
            let progress = |progress: caas_client::Progress| {
                if dies && progress.done == progress.total {
                    kill(std::process::id());
                }
            };
            client.resume_download(&id, &path, progress).await.unwrap();
            id
        }
    };
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = |name| {
        let value = status.lines().find_map(|line| line.strip_prefix(name));
        value.and_then(|value| value.trim().strip_suffix(" kB")?.parse().ok())
    };
    let (peak, program) = (kib("VmHWM:"), kib("RssFile:"));
    let done = Done {
        id,
        peak: peak.unwrap_or(0) - program.unwrap_or(0),
    };
    println!("{DONE}{}", serde_json::to_string(&done).unwrap());
    std::io::stdout().flush().unwrap();
    true
}

/// Ends a process as a crash does.
fn kill(process: u32) {
    let killed = Command::new("kill")
        .args(["-KILL", &process.to_string()])
        .status();
    assert!(killed.unwrap().success());
}

/// A child, killed when dropped.
pub(crate) struct Running(Child);

impl Running {
    /// Runs `test`, by its full name, again as this transfer with the service at `url`.
    pub(crate) fn start(test: &str, url: &str, transfer: &Transfer) -> Self {
        let input = serde_json::to_string(&(url, transfer)).unwrap();
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "--nocapture", test])
            .env(INPUT, input)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }

    /// Kills it, unless it has ended.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Waits for its end. None if it was killed.
    pub(crate) async fn ended(mut self) -> Option<Done> {
        let mut stdout = BufReader::new(self.0.stdout.take().unwrap());
        let read = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).unwrap();
            text
        });
        let text = read.await.unwrap();
        let status = self.0.wait().unwrap();
        let done = text.lines().find_map(|line| line.split_once(DONE));
        assert!(done.is_some() || status.code().is_none(), "{text}");
        Some(serde_json::from_str(done?.1).unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The files in a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
