//! The sweep: the same run for every object that has been in the inbox for a while. It needs no
//! event and no queue.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use caas_aws::{ListedVersion, Unavailable};
use futures::{StreamExt, stream};

use crate::{CONCURRENCY, Failure, Inbox, NamedKey, Report, Settled, steps::forget};

/// After this time, a sweep starts no further key; the next sweep continues.
const TIME: Duration = Duration::from_secs(8 * 60);

/// How often a long sweep logs its progress.
const TELL_EVERY: Duration = Duration::from_secs(10);

impl Inbox {
    /// Runs for every key that has waited long enough, and aborts abandoned multipart uploads. A
    /// key that fails in the same way in every run is counted, but does not fail the sweep: its own
    /// event has raised the alarm.
    pub async fn sweep(&self) -> Report {
        let mut report = Report::default();
        let abandoned = SystemTime::now() - self.settings.longest_run;
        match self.vault.abort_uploads(abandoned).await {
            Ok(aborted) => report.aborted_uploads = aborted,
            Err(Unavailable) => report.failed += 1,
        }
        if all_keys(self, &mut report).await.is_err() {
            report.failed += 1;
        }
        report
    }
}

async fn all_keys(inbox: &Inbox, report: &mut Report) -> Result<(), Unavailable> {
    let began = Instant::now();
    let mut last_told = began;
    let now = SystemTime::now();
    let (mut next, mut oldest) = (None, now);
    loop {
        let page = inbox.bucket.all_versions(next).await?;
        let waiting = page.versions.iter().filter(|v| has_content(v));
        oldest = waiting
            .map(|v| v.version.last_modified)
            .fold(oldest, SystemTime::min);

        // After the time limit, the rest is only listed, for its age.
        let due = due(&page.versions, now, inbox.settings.sweep_age);
        let in_time = due.into_iter().take_while(|_| began.elapsed() < TIME);
        let mut ends = stream::iter(in_time)
            .map(|(key, due)| one(inbox, now, key, due))
            .buffer_unordered(CONCURRENCY);
        while let Some(end) = ends.next().await {
            match end {
                Err(cause) if cause.is_lasting() => {
                    tracing::warn!(%cause, "an object stays in the inbox");
                    report.refused += 1;
                }
                end => report.add(end),
            }
            if last_told.elapsed() >= TELL_EVERY {
                report.log("sweeping");
                last_told = Instant::now();
            }
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    let oldest_seconds = now.duration_since(oldest).unwrap_or_default().as_secs();
    tracing::info!(oldest_seconds, "inbox swept");
    Ok(())
}

async fn one(inbox: &Inbox, now: SystemTime, key: String, due: Due) -> Result<Settled, Failure> {
    let key = NamedKey::new(&key, Some(due.size));
    let end = match key {
        NamedKey::Illegal if !due.has_object => Ok(Settled::Nothing),
        _ => inbox.run(&key).await,
    };
    if let (Ok(_), NamedKey::File(key), true) = (end, &key, due.has_marker) {
        forget(inbox, key, now).await?;
    }
    end
}

/// Whether it is neither a delete marker nor what the S3 console creates for a folder: an empty
/// object whose key ends with a slash.
fn has_content(listed: &ListedVersion) -> bool {
    let is_folder = listed.key.ends_with('/') && listed.version.size == 0;
    !listed.is_delete_marker && !is_folder
}

/// The keys that have waited long enough or have a delete marker.
fn due(versions: &[ListedVersion], now: SystemTime, age: Duration) -> BTreeMap<String, Due> {
    let mut due = BTreeMap::<_, Due>::new();
    for ListedVersion {
        key,
        version,
        is_delete_marker,
    } in versions
    {
        let since = now.duration_since(version.last_modified);
        if *is_delete_marker || since.is_ok_and(|since| since >= age) {
            let due = due.entry(key.clone()).or_default();
            due.size = due.size.max(version.size);
            due.has_marker |= is_delete_marker;
            due.has_object |= !is_delete_marker;
        }
    }
    due
}

/// Why a key is due.
#[derive(Default)]
struct Due {
    /// The size of its largest version in bytes.
    size: u64,
    has_object: bool,
    has_marker: bool,
}
