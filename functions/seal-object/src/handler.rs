//! The handler: an event in, a report or a failed invocation out.

use caas_inbox::{CONCURRENCY, Failure, Inbox, Report};
use futures::{StreamExt, stream};
use serde_json::Value;

use crate::{
    MalformedEvent,
    event::{Event, Named},
};

/// Handles one invocation: an S3 notification, S3's test event, or `{"sweep": true}`.
///
/// # Errors
/// The event is malformed, or at least one key failed. All other keys were handled; repeat the
/// invocation.
pub async fn handle(event: Value, inbox: &Inbox) -> Result<Report, HandleError> {
    let report = match Event::parse(event)? {
        Event::Test => Report::default(),
        Event::Sweep => inbox.sweep().await,
        Event::Records(records) => records_of(inbox, records).await,
    };
    report.log("done");
    match report.failed {
        0 => Ok(report),
        failed => Err(HandleError::Failed { failed }),
    }
}

async fn records_of(inbox: &Inbox, records: Vec<Value>) -> Report {
    let mut report = Report::default();
    let mut ends = stream::iter(records)
        .map(|record| async move {
            let Ok(named) = Named::parse(&record) else {
                return Err(Failure::IllegalKey);
            };
            match named.bucket == inbox.bucket_name() {
                true => inbox.run(&named.key).await,
                false => Err(Failure::NotInInbox),
            }
        })
        .buffer_unordered(CONCURRENCY);
    while let Some(end) = ends.next().await {
        report.add(end);
    }
    report
}

/// Why an invocation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// The event is malformed.
    #[error(transparent)]
    Malformed(#[from] MalformedEvent),
    /// At least one key or step failed.
    #[error("{failed} failed")]
    Failed {
        /// How many keys, or steps of a sweep.
        failed: usize,
    },
}
