//! The handler: an event in, a report or a failed invocation out.

use futures::{StreamExt, stream};
use serde::Serialize;
use serde_json::Value;

use crate::{
    MalformedEvent, Service, State,
    event::{Event, Named, NamedKey},
    settle::{Failure, Settled, settle},
    sweep::sweep,
};

/// Keys that are worked on at the same time.
pub(crate) const CONCURRENCY: usize = 4;

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
    /// Keys that failed, and will be tried again.
    pub failed: usize,
}

/// Handles one invocation: an S3 notification, S3's test event, or `{"sweep": true}`.
///
/// # Errors
/// At least one key failed. All others have been served; the invocation has to be repeated.
pub async fn handle(event: Value, state: &State) -> Result<Report, HandleError> {
    let report = match Event::parse(event)? {
        Event::Test => Report::default(),
        Event::Sweep => sweep(state).await,
        Event::Records(records) => records_of(state, records).await,
    };
    report.log("done");
    match report.failed {
        0 => Ok(report),
        failed => Err(HandleError::Failed { failed }),
    }
}

async fn records_of(service: &Service, records: Vec<Value>) -> Report {
    let mut report = Report::default();
    let mut ends = stream::iter(records)
        .map(|record| async move {
            let Ok(named) = Named::parse(&record) else {
                return Err(Failure::IllegalKey);
            };
            match named.key {
                _ if named.bucket != service.inbox.name() => Err(Failure::NotInInbox),
                key => run(service, &key).await,
            }
        })
        .buffer_unordered(CONCURRENCY);
    while let Some(end) = ends.next().await {
        report.add(end);
    }
    report
}

/// One run for what was named.
pub(crate) async fn run(service: &Service, key: &NamedKey) -> Result<Settled, Failure> {
    match key {
        NamedKey::File(key) => settle(service, key).await,
        NamedKey::Folder => Ok(Settled::Nothing),
        NamedKey::Illegal => Err(Failure::IllegalKey),
    }
}

impl Report {
    /// Tells the numbers, and nothing else.
    pub(crate) fn log(&self, what: &'static str) {
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
    pub(crate) fn add(&mut self, end: Result<Settled, Failure>) {
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

/// Why an invocation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// The event is none of ours.
    #[error(transparent)]
    Malformed(#[from] MalformedEvent),
    /// Not everything is sealed.
    #[error("{failed} failed")]
    Failed {
        /// How many keys, or steps of a sweep.
        failed: usize,
    },
}
