//! The outcome of many runs, in numbers.

use serde::Serialize;

use crate::{Failure, Settled};

/// What an invocation did, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Keys whose newest version is sealed now.
    pub sealed: usize,
    /// Keys without anything to seal.
    pub nothing: usize,
    /// Keys of a sweep that stay as they are, because every run fails on them in the same way.
    pub refused: usize,
    /// Abandoned multipart uploads that a sweep has aborted.
    pub aborted_uploads: usize,
    /// Keys that failed and will be tried again.
    pub failed: usize,
}

impl Report {
    /// Logs the numbers, and nothing else.
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

    /// Counts a run, and logs why it failed.
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
