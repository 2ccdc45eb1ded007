//! What the process logs.

use std::{
    io,
    sync::{Arc, Mutex},
};

use serde_json::Value;

/// Everything that this process logs. A test with it needs a binary to itself.
#[derive(Clone, Default, Debug)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Captures the log of our own crates in full.
    pub fn capture() -> Self {
        let log = Self::default();
        let writer = log.clone();
        caas_settings::init_log(Some("trace"), move || writer.clone());
        log
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines of requests so far.
    pub fn requests(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines
            .filter(|line: &Value| line["message"] == "request")
            .collect()
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
