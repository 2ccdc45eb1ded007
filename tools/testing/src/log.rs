//! What the process logs.

use std::{
    io, panic,
    sync::{Arc, Mutex},
};

use serde_json::Value;

/// Everything that this process logs. A test with it needs a binary to itself.
#[derive(Clone, Default, Debug)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Captures the log of our own crates in full.
    #[expect(clippy::print_stderr, reason = "where a test says why it failed")]
    pub fn capture() -> Self {
        let log = Self::default();
        let writer = log.clone();
        caas_settings::init_log(Some("trace"), move || writer.clone());
        // The log's hook leaves out the message, which says why a test failed.
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            hook(info);
            eprintln!("{info}");
        }));
        log
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines so far, of an audit trail that is written to a new `Log`.
    pub fn audit(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }

    /// The lines of requests so far.
    pub fn requests(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines
            .filter(|line: &Value| line["message"] == "request")
            .collect()
    }

    /// The first line with this message, as a snapshot shows it: without times and ids.
    pub fn line(&self, message: &str) -> String {
        let text = self.text();
        let message = format!(r#""message":"{message}""#);
        let line = text.lines().find(|line| line.contains(&message));
        let mut shown = line.unwrap().to_owned();
        for varying in ["timestamp", "duration_ms", "request_id"] {
            let name = format!(r#""{varying}":"#);
            if let Some((start, rest)) = shown.split_once(&name) {
                let end = rest.find([',', '}']).unwrap();
                shown = format!("{start}{name}…{}", &rest[end..]);
            }
        }
        shown
    }

    /// Checks that no line has any of these secrets.
    #[track_caller]
    pub fn lacks(&self, secrets: &[&str]) {
        for secret in secrets {
            let text = self.text();
            let line = text.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{secret} in the log: {line:?}");
        }
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where nothing can be written.
#[derive(Clone, Copy, Debug)]
pub struct FullDisk;

impl io::Write for FullDisk {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
