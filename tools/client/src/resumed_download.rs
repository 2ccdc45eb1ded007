//! Downloads a file over several connections, and goes on with a download after a restart.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use caas_crypto::stored::OVERHEAD;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Empty};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::{JoinSet, spawn_blocking},
};

use crate::{
    Client, DownloadError, Downloaded, Progress, ServiceError,
    download::{Broken, STALLED, check},
    http_client::NoResponse,
    part_file::{PartFile, Piece, RANGE, Version},
    response::GrantResponse,
    retry::Attempts,
};

/// Ranges in transfer at a time.
const CONNECTIONS: usize = 4;

/// Pieces queued for writing.
const WAITING: usize = 16;

impl Client {
    /// Like [`download`](Self::download), over four connections, and what has arrived survives errors,
    /// cancellation and crashes: it stays in `<destination>.part`, still encrypted, and the same call
    /// goes on from there. That needs room for the file twice: what arrives is decrypted to
    /// `<destination>.part.open`, which becomes the destination once all of it has been verified, and
    /// is removed otherwise.
    ///
    /// # Errors
    /// See [`DownloadError`]. [`Replaced`](DownloadError::Replaced) and
    /// [`Deleted`](DownloadError::Deleted) also compare with what an earlier call has fetched.
    pub async fn resume_download(
        &self,
        id: &str,
        destination: &Path,
        mut progress: impl FnMut(Progress),
    ) -> Result<Downloaded, DownloadError> {
        let path = destination.to_owned();
        let (file, found) = blocking(move || PartFile::open(&path)).await?;
        let file = Arc::new(file);
        let found = found.filter(|found| found.file == Version::file(&self.url, id));
        let downloaded = async {
            let grant = match self.grant(id).await {
                Err(error) if found.is_some() => return Err(renewal_refused(error)),
                grant => grant?,
            };
            let limit = self.time_limit(grant.size);
            let download = PartDownload {
                client: self,
                id,
                destination,
                version: Version {
                    file: Version::file(&self.url, id),
                    etag: grant.etag.clone(),
                    total: grant.size.saturating_add(OVERHEAD as u64),
                },
                grant,
                file: Arc::clone(&file),
            };
            let downloaded = download.run(found.as_ref(), &mut progress);
            let downloaded = tokio::time::timeout(limit, downloaded).await;
            downloaded.unwrap_or(Err(DownloadError::Unavailable))
        };
        let downloaded = downloaded.await;
        let is_useless = match &downloaded {
            Err(DownloadError::Service(_)) => found.is_none(),
            Err(error) => matches!(
                error,
                DownloadError::NotAuthentic | DownloadError::Replaced | DownloadError::Deleted
            ),
            Ok(_) => false,
        };
        if is_useless {
            file.remove();
        }
        downloaded
    }
}

struct PartDownload<'a> {
    client: &'a Client,
    id: &'a str,
    destination: &'a Path,
    version: Version,
    grant: GrantResponse,
    file: Arc<PartFile>,
}

impl PartDownload<'_> {
    async fn run(
        mut self,
        found: Option<&Version>,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Downloaded, DownloadError> {
        if found.is_some_and(|found| *found != self.version) {
            return Err(DownloadError::Replaced);
        }
        let mut is_resumed = found.is_some();
        if !is_resumed {
            self.begin().await?;
        }
        loop {
            match self.fetch(progress).await {
                // A crash of the system can lose what was written last.
                Err(DownloadError::NotAuthentic) if is_resumed => {
                    is_resumed = false;
                    self.begin().await?;
                }
                finished => break finished?,
            }
        }
        Ok(Downloaded {
            name: self.grant.name,
            content_type: self.grant.content_type,
            size: self.grant.size,
        })
    }

    async fn begin(&self) -> Result<(), DownloadError> {
        let (file, version) = (Arc::clone(&self.file), self.version.clone());
        blocking(move || file.begin(&version).map_err(DownloadError::Destination)).await
    }

    /// Fetches the ranges that are missing, and opens the object meanwhile.
    async fn fetch(&mut self, progress: &mut impl FnMut(Progress)) -> Result<(), DownloadError> {
        let (file, version) = (Arc::clone(&self.file), self.version.clone());
        let arrived = move || file.arrived(&version).map_err(DownloadError::Destination);
        let arrived = blocking(arrived).await?;
        let (pieces, receiver) = mpsc::channel(WAITING);
        let (arriving, arrivals) = std::sync::mpsc::channel();
        let file = Arc::clone(&self.file);
        let writing = spawn_blocking(move || file.write_all(receiver, &arriving));
        let (file, version) = (Arc::clone(&self.file), self.version.clone());
        let (key, destination) = (self.grant.encryption.grant()?, self.destination.to_owned());
        let there = arrived.clone();
        let opening = blocking(move || {
            file.open_as_it_arrives(&key, &version, &destination, there, &arrivals)
        });
        tokio::pin!(opening);
        // What cannot be written or opened need not be fetched.
        let (fetched, opened) = tokio::select! {
            fetched = self.fetch_ranges(&arrived, pieces, progress) => (fetched, None),
            opened = &mut opening => (Ok(()), Some(opened)),
        };
        // Both end now, if they have not. Their own errors count.
        let written = writing.await.unwrap_or_else(|error| Err(error.into()));
        let opened = match opened {
            Some(opened) => opened,
            None => opening.await,
        };
        written.map_err(DownloadError::Destination)?;
        fetched?;
        opened
    }

    async fn fetch_ranges(
        &mut self,
        arrived: &[bool],
        pieces: mpsc::Sender<Piece>,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), DownloadError> {
        let total = self.version.total;
        let received = Arc::new(AtomicU64::new(0));
        let mut missing = VecDeque::new();
        for (number, arrived) in (0..).zip(arrived) {
            let (start, end) = (number * RANGE, total.min((number + 1) * RANGE));
            if *arrived {
                received.fetch_add(end - start, Ordering::Relaxed);
                continue;
            }
            missing.push_back(Range {
                number,
                start,
                end,
                attempts: Attempts::new(self.client.retries),
            });
        }
        let notify = Arc::new(Notify::new());
        let mut transfers = JoinSet::new();
        // How many grants there were before this one.
        let mut renewed = 0;
        loop {
            let done = received.load(Ordering::Relaxed).min(self.grant.size);
            progress(Progress::of(done, self.grant.size));
            while transfers.len() < CONNECTIONS
                && let Some(range) = missing.pop_front()
            {
                let fetch = RangeFetch {
                    client: self.client.clone(),
                    url: self.grant.url.clone(),
                    total,
                    pieces: pieces.clone(),
                    received: Arc::clone(&received),
                    progress: Arc::clone(&notify),
                };
                let grant = renewed;
                transfers.spawn(async move { (grant, fetch.run(range).await) });
            }
            tokio::select! {
                ended = transfers.join_next() => {
                    let Some(ended) = ended else { return Ok(()) };
                    let (grant, ended) = ended.map_err(|_| DownloadError::Unavailable)?;
                    if let Some((mut range, status)) = ended? {
                        if !range.attempts.again(Duration::ZERO).await {
                            return Err(DownloadError::Refused(status));
                        }
                        if grant == renewed {
                            self.renew().await?;
                            renewed += 1;
                        }
                        missing.push_front(range);
                    }
                }
                () = notify.notified() => {}
            }
        }
    }

    /// Gets another grant of the same version.
    async fn renew(&mut self) -> Result<(), DownloadError> {
        let renewed = self.client.grant(self.id).await.map_err(renewal_refused)?;
        // Each version has its own key.
        let same = renewed.etag == self.grant.etag
            && renewed.encryption == self.grant.encryption
            && renewed.size == self.grant.size;
        if !same {
            return Err(DownloadError::Replaced);
        }
        self.grant = renewed;
        Ok(())
    }
}

/// What of the object is missing.
struct Range {
    number: u64,
    /// The next byte.
    start: u64,
    end: u64,
    attempts: Attempts,
}

/// Fetches a range.
struct RangeFetch {
    client: Client,
    url: Uri,
    total: u64,
    pieces: mpsc::Sender<Piece>,
    /// Bytes that have arrived, of all ranges.
    received: Arc<AtomicU64>,
    /// Notified when that changes.
    progress: Arc<Notify>,
}

impl RangeFetch {
    /// Returns what is left and the status if S3 refuses the presigned request.
    async fn run(self, mut range: Range) -> Result<Option<(Range, u16)>, DownloadError> {
        loop {
            let start = range.start;
            let fetched = self.fetch(&mut range).await;
            if range.start > start {
                range.attempts.progressed();
            }
            let wait = match fetched {
                Ok(()) => {
                    // So that a crash costs each connection one range, and no more.
                    let (recorded, is_recorded) = oneshot::channel();
                    let arrived = Piece::Arrived(range.number, recorded);
                    self.hand_over(arrived).await?;
                    let recorded = is_recorded.await;
                    return recorded
                        .map(|()| None)
                        .map_err(|_| DownloadError::Unavailable);
                }
                Err(Broken::Permanent(error)) => return Err(error),
                Err(Broken::Refused(status)) => return Ok(Some((range, status.as_u16()))),
                Err(Broken::Transient(wait)) => wait,
            };
            if !range.attempts.again(wait).await {
                return Err(DownloadError::Unavailable);
            }
        }
    }

    async fn fetch(&self, range: &mut Range) -> Result<(), Broken> {
        let (start, last) = (range.start, range.end - 1);
        let request = Request::get(&self.url)
            .header(header::RANGE, format!("bytes={start}-{last}"))
            .body(Empty::new().map_err(|never| match never {}).boxed())
            .map_err(|_| Broken::Permanent(ServiceError::Unexpected.into()))?;
        let response = self.client.http.send_within(STALLED, request).await;
        let response = response.map_err(|NoResponse| Broken::Transient(Duration::ZERO))?;
        let mut body = check(response, Some((start, range.end)), self.total)?.into_body();
        while range.start < range.end {
            let frame = tokio::time::timeout(STALLED, body.frame()).await;
            let Ok(Some(Ok(frame))) = frame else {
                return Err(Broken::Transient(Duration::ZERO));
            };
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            let len = bytes.len() as u64;
            if len > range.end - range.start {
                return Err(Broken::Permanent(DownloadError::NotAuthentic));
            }
            let handed_over = self.hand_over(Piece::Bytes(range.start, bytes)).await;
            handed_over.map_err(Broken::Permanent)?;
            range.start += len;
            self.received.fetch_add(len, Ordering::Relaxed);
            self.progress.notify_one();
        }
        Ok(())
    }

    async fn hand_over(&self, piece: Piece) -> Result<(), DownloadError> {
        let taken = self.pieces.send(piece).await;
        // The writer's own error counts.
        taken.map_err(|_| DownloadError::Unavailable)
    }
}

fn renewal_refused(error: ServiceError) -> DownloadError {
    match error {
        ServiceError::Refused { status: 404, .. } => DownloadError::Deleted,
        error => error.into(),
    }
}

async fn blocking<T: Send + 'static>(
    operation: impl FnOnce() -> Result<T, DownloadError> + Send + 'static,
) -> Result<T, DownloadError> {
    let done = spawn_blocking(operation).await;
    done.unwrap_or_else(|error| Err(DownloadError::Destination(error.into())))
}
