//! Stands in for S3's notifications, Lambda's retries, the dead-letter queue and the schedule:
//! seals objects put in the inbox, retries on failure, and finally stores a dead letter. A sweep
//! finds objects that arrived while the program was stopped.

use std::{sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use caas_audit::Trail;
use caas_aws::Clients;
use caas_emulator::ObjectCreated;
use caas_inbox::{Inbox, SWEEP_PERIOD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use seal_object::{Config, HandleError, handle};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc::UnboundedReceiver,
    task::{JoinError, JoinSet},
    time::{self, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use crate::data_dir::DataDir;

/// Events handled concurrently.
const CONCURRENCY: usize = 8;

/// Lambda retries twice.
const RETRIES: usize = 2;

/// The delay before the first retry; Lambda's is a minute.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Seals objects dropped in the inbox.
pub(crate) struct Trigger {
    inbox: Inbox,
    /// The same, with a sweep that includes objects of any age.
    at_start: Inbox,
    data_dir: DataDir,
}

impl Trigger {
    /// Stores dead letters in a folder in `data_dir`.
    pub(crate) fn new(config: Config, clients: &Clients, data_dir: DataDir, trail: &Trail) -> Self {
        let mut at_start = config.clone();
        at_start.sweep.age = Duration::ZERO;
        Self {
            inbox: config.inbox(clients).with_trail(trail.clone()),
            at_start: at_start.inbox(clients).with_trail(trail.clone()),
            data_dir,
        }
    }

    /// Handles events until `stop` is cancelled, then finishes those in flight. The next start
    /// finds the rest.
    pub(crate) async fn run(
        self,
        events: UnboundedReceiver<ObjectCreated>,
        stop: CancellationToken,
    ) {
        let trigger = Arc::new(self);
        let sweeps = tokio::spawn(Arc::clone(&trigger).sweep(stop.clone()));
        trigger.serve(events, &stop).await;
        if sweeps.await.is_err() {
            tracing::error!("the inbox sweep panicked");
        }
    }

    async fn serve(
        self: Arc<Self>,
        mut events: UnboundedReceiver<ObjectCreated>,
        stop: &CancellationToken,
    ) {
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(end) = running.join_next() => log_panic(end),
                Some(created) = events.recv(), if running.len() < CONCURRENCY => {
                    if let Some(event) = self.event(&created) {
                        running.spawn(Arc::clone(&self).invoke(event, stop.clone()));
                    }
                }
                else => break,
            }
        }
        while let Some(end) = running.join_next().await {
            log_panic(end);
        }
    }

    /// S3's notification, or `None` for an object outside the inbox.
    fn event(&self, created: &ObjectCreated) -> Option<Value> {
        (created.bucket == self.inbox.bucket_name()).then(|| {
            let key = utf8_percent_encode(&created.key, NON_ALPHANUMERIC).to_string();
            let object = json!({
                "key": key,
                "size": created.size,
                "eTag": created.etag,
                "versionId": created.version_id,
                "sequencer": created.sequencer,
            });
            json!({"Records": [{
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": created.bucket}, "object": object},
            }]})
        })
    }

    async fn invoke(self: Arc<Self>, event: Value, stop: CancellationToken) {
        let retries = ExponentialBuilder::new()
            .with_max_times(RETRIES)
            .with_min_delay(FIRST_PAUSE)
            .with_jitter();
        let end = (async || handle(event.clone(), &self.inbox).await)
            .retry(retries)
            .when(|_| !stop.is_cancelled())
            .await;
        match end {
            Err(cause) if !stop.is_cancelled() => self.bury(event, cause),
            _ => {}
        }
    }

    /// Stores a failed event in the format of the dead-letter queue's messages.
    fn bury(&self, event: Value, cause: HandleError) {
        let letter = json!({
            "version": "1.0",
            "requestContext": {
                "condition": "RetriesExhausted",
                "approximateInvokeCount": RETRIES + 1,
            },
            "requestPayload": event,
            "responsePayload": {"errorMessage": cause.to_string()},
        });
        match self.data_dir.add_dead_letter(&letter.to_string()) {
            Ok(path) => tracing::error!(
                event = %path.display(),
                "sealing an object failed; it stays in the inbox, and every sweep retries"
            ),
            Err(error) => tracing::error!(%error, "writing a dead letter failed"),
        }
    }

    async fn sweep(self: Arc<Self>, stop: CancellationToken) {
        let sweeps = async {
            let mut ticks = time::interval(SWEEP_PERIOD);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut inbox = &self.at_start;
            loop {
                ticks.tick().await;
                if handle(json!({"sweep": true}), inbox).await.is_err() {
                    tracing::warn!("the sweep failed to seal some objects in the inbox");
                }
                inbox = &self.inbox;
            }
        };
        tokio::select! {
            () = sweeps => {}
            () = stop.cancelled() => {}
        }
    }
}

fn log_panic(end: Result<(), JoinError>) {
    if end.is_err() {
        tracing::error!("handling an event panicked; the next sweep retries");
    }
}
