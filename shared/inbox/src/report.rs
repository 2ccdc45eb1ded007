//! The outcome of many runs, as counts.

use serde::Serialize;

use crate::{Failure, Settled};

/// What an invocation did, as counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Keys whose newest version is now sealed.
    pub sealed: usize,
    /// Keys with nothing to seal.
    pub nothing: usize,
    /// Keys that a sweep leaves as they are, because every run for them fails in the same way.
    pub refused: usize,
    /// Abandoned multipart uploads that a sweep aborted.
    pub aborted_uploads: usize,
    /// Keys that failed and will be tried again.
    pub failed: usize,
}

impl Report {
    /// Logs the counts, and nothing else.
    pub fn log(&self, what: &'static str) {
        let Self {
            sealed,
            nothing,
            refused,
            aborted_uploads,
            failed,
        } = *self;
        tracing::info!(sealed, nothing, refused, aborted_uploads, failed, "{what}");
    }

    /// Counts a run and, if it failed, logs why.
    pub fn add(&mut self, end: Result<Settled, Failure>) {
        match end {
            Ok(Settled::Sealed) => self.sealed += 1,
            Ok(Settled::Nothing) => self.nothing += 1,
            Err(cause) => {
                tracing::warn!(%cause, "an object stays in the inbox");
                self.failed += 1;
            }
        }
    }
}
