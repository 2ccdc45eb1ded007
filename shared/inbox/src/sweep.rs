//! The sweep: the same run for every object that has been in the inbox for a while. It needs no
//! event and no queue.

mod queue;

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant, SystemTime},
};

use caas_aws::{ListedVersion, Unavailable, VersionsPage};
use futures::{StreamExt, stream::FuturesUnordered};
use queue::{Due, Queue};
use tokio::time::timeout;

use crate::{CONCURRENCY, Failure, Inbox, NamedKey, Report, Settled, steps::forget};

/// How long a sweep aborts multipart uploads at most.
const ABORTING: Duration = Duration::from_secs(60);

/// How often a long sweep logs its progress.
const REPORT_EVERY: Duration = Duration::from_secs(10);

impl Inbox {
    /// Runs for every key that has waited long enough, and aborts abandoned multipart uploads. A
    /// key that fails in the same way in every run is counted, but does not fail the sweep: its own
    /// event has raised the alarm.
    ///
    /// The clients take turns. If there is more than one sweep can do, which keys come first depends
    /// on the time, so that no key keeps the others waiting permanently.
    pub async fn sweep(&self) -> Report {
        let sweep = Sweep {
            inbox: self,
            now: SystemTime::now(),
            began: Instant::now(),
        };
        let mut report = Report::default();
        if sweep.all_keys(&mut report).await.is_err() {
            report.failed += 1;
        }
        // Last, since clients decide how many uploads there are to list.
        let abort = self.vault.abort_uploads(sweep.now - self.sweep.longest_run);
        match timeout(ABORTING, abort).await {
            Ok(Ok(aborted)) => report.aborted_uploads = aborted,
            Ok(Err(Unavailable)) | Err(_) => report.failed += 1,
        }
        report
    }
}

struct Sweep<'a> {
    inbox: &'a Inbox,
    now: SystemTime,
    began: Instant,
}

impl Sweep<'_> {
    async fn all_keys(&self, report: &mut Report) -> Result<(), Unavailable> {
        // Before any versions are listed: see `forget`.
        let uploads = self.uploads().await?;
        let mut queue = self.due_keys().await?;
        let mut last_reported = self.began;
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < CONCURRENCY
                && self.has_time(1)
                && let Some((client, key, due)) = queue.next()
            {
                let uploads = &uploads;
                running.push(async move {
                    let began = Instant::now();
                    let end = self.one(key, due, uploads).await;
                    (client, began.elapsed(), end)
                });
            }
            let Some((client, took, end)) = running.next().await else {
                return Ok(());
            };
            queue.ended(client, took);
            match end {
                Err(cause) if cause.is_lasting() => {
                    tracing::warn!(%cause, "an object stays in the inbox");
                    report.refused += 1;
                }
                end => report.add(end),
            }
            if last_reported.elapsed() >= REPORT_EVERY {
                report.log("sweeping");
                last_reported = Instant::now();
            }
        }
    }

    /// When the oldest multipart upload of each key in the inbox began.
    async fn uploads(&self) -> Result<BTreeMap<String, SystemTime>, Unavailable> {
        let mut oldest = BTreeMap::new();
        for upload in self.inbox.bucket.uploads("", |_| true).await? {
            let began = oldest.entry(upload.key).or_insert(upload.began);
            *began = upload.began.min(*began);
        }
        Ok(oldest)
    }

    /// Lists the inbox for half of the time, a page of each client in turn, and logs after each page
    /// how long the oldest file seen so far has waited.
    async fn due_keys(&self) -> Result<Queue, Unavailable> {
        let mut queue = Queue::new(self.now);
        let (mut oldest, mut folders) = (self.now, Vec::new());
        let mut add = |client: &str, page: &VersionsPage| {
            let waiting = page.versions.iter().filter(|listed| has_content(listed));
            let dates = waiting.map(|listed| listed.version.last_modified);
            oldest = dates.fold(oldest, SystemTime::min);
            let oldest_seconds = self
                .now
                .duration_since(oldest)
                .unwrap_or_default()
                .as_secs();
            tracing::info!(oldest_seconds, "inbox listed");
            let age = self.inbox.sweep.age;
            let due = page
                .versions
                .iter()
                .filter(|listed| is_due(listed, self.now, age));
            due.for_each(|listed| queue.add(client, listed));
        };

        let mut from = None;
        loop {
            let mut page = self.inbox.bucket.top(from).await?;
            add("", &page);
            folders.append(&mut page.folders);
            from = page.next;
            if from.is_none() || !self.has_time(2) {
                break;
            }
        }
        folders.sort_by_cached_key(|folder| queue::order(self.now, folder));
        let mut open: VecDeque<_> = folders.into_iter().map(|folder| (folder, None)).collect();
        while self.has_time(2)
            && let Some((folder, from)) = open.pop_front()
        {
            let page = self.inbox.bucket.all_versions(&folder, from).await?;
            add(&folder, &page);
            if page.next.is_some() {
                open.push_back((folder, page.next));
            }
        }
        Ok(queue)
    }

    /// Whether this fraction of the time has not passed.
    fn has_time(&self, fraction: u32) -> bool {
        self.began.elapsed() < self.inbox.sweep.time / fraction
    }

    async fn one(
        &self,
        key: String,
        due: Due,
        uploads: &BTreeMap<String, SystemTime>,
    ) -> Result<Settled, Failure> {
        let upload = uploads.get(&key);
        let key = NamedKey::new(&key, Some(due.size));
        let end = match key {
            NamedKey::Illegal if !due.has_object => Ok(Settled::Nothing),
            _ => self.inbox.run(&key).await,
        };
        if let (Ok(_), NamedKey::File(key), true) = (end, &key, due.has_marker) {
            forget(self.inbox, key, upload.copied(), self.now).await?;
        }
        end
    }
}

/// Whether it is neither a delete marker nor what the S3 console creates for a folder: an empty
/// object whose key ends with a slash.
fn has_content(listed: &ListedVersion) -> bool {
    let is_folder = listed.key.ends_with('/') && listed.version.size == 0;
    !listed.is_delete_marker && !is_folder
}

/// Whether it has waited long enough or is a delete marker.
fn is_due(listed: &ListedVersion, now: SystemTime, age: Duration) -> bool {
    let since = now.duration_since(listed.version.last_modified);
    listed.is_delete_marker || since.is_ok_and(|since| since >= age)
}
