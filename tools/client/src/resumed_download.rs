//! Downloads a file over several connections, and goes on with a download after a restart.

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::Receiver,
    },
    time::Duration,
};

use caas_crypto::stored::OVERHEAD;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Empty};
use tokio::{
    sync::{Notify, mpsc},
    task::{JoinSet, spawn_blocking},
};

use crate::{
    Client, DownloadError, Downloaded, Progress, ServiceError,
    download::{Broken, STALLED, check},
    http_client::NoResponse,
    part_file::{PartFile, Version},
    response::GrantResponse,
    retry::Attempts,
};

/// Ranges in transfer at a time.
const CONNECTIONS: usize = 4;

/// The length of a range in bytes, except that the last may be shorter.
const RANGE: u64 = 4 << 20;

/// How many ranges are in memory at most, besides two that are being opened: those in transfer, and those
/// that wait for an earlier one.
const WINDOW: u64 = 6;

impl Client {
    /// Like [`download`](Self::download), over four connections, and what has arrived survives errors,
    /// cancellation and crashes: it stays in `<destination>.part`, decrypted but **not verified**, and the
    /// same call goes on from there. It becomes the destination once all of it has been verified.
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

    /// Fetches what is missing, and opens it meanwhile.
    async fn fetch(&mut self, progress: &mut impl FnMut(Progress)) -> Result<(), DownloadError> {
        let (file, version) = (Arc::clone(&self.file), self.version.clone());
        let arrived = move || file.arrived(&version).map_err(DownloadError::Destination);
        let start = blocking(arrived).await?;
        let (pieces, receiver) = mpsc::channel(1);
        let (give_back, buffers) = std::sync::mpsc::channel();
        let (file, version) = (Arc::clone(&self.file), self.version.clone());
        let encryption = &self.grant.encryption;
        let (opening, sealing) = (encryption.grant()?, encryption.grant()?);
        let destination = self.destination.to_owned();
        let opened = spawn_blocking(move || {
            let grants = (&opening, sealing);
            file.open_as_it_arrives(grants, &version, start, receiver, &give_back, &destination)
        });
        let fetched = self.fetch_ranges(start, pieces, buffers, progress).await;
        // It ends now, if it has not. Its own error counts.
        let opened = opened.await;
        match opened.unwrap_or_else(|error| Err(DownloadError::Destination(error.into())))? {
            true => Ok(()),
            false => fetched.and(Err(DownloadError::Unavailable)),
        }
    }

    /// Fetches from this byte on, and hands the ranges over in their order.
    async fn fetch_ranges(
        &mut self,
        start: u64,
        pieces: mpsc::Sender<Vec<u8>>,
        buffers: Receiver<Vec<u8>>,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), DownloadError> {
        let total = self.version.total;
        let count = (total - start).div_ceil(RANGE);
        let received = Arc::new(AtomicU64::new(start));
        let notify = Arc::new(Notify::new());
        let mut transfers = JoinSet::new();
        let (mut begun, mut handed_over) = (0, 0);
        let (mut again, mut arrived) = (VecDeque::new(), BTreeMap::new());
        // How many grants there were before this one.
        let mut renewed = 0;
        while handed_over < count {
            let done = received.load(Ordering::Relaxed).min(self.grant.size);
            progress(Progress::of(done, self.grant.size));
            while transfers.len() < CONNECTIONS {
                let range = match again.pop_front() {
                    Some(range) => range,
                    None if begun < count.min(handed_over + WINDOW) => {
                        begun += 1;
                        let start = start + (begun - 1) * RANGE;
                        let end = total.min(start + RANGE);
                        let mut bytes = buffers.try_recv().unwrap_or_default();
                        bytes.clear();
                        Range {
                            number: begun - 1,
                            start,
                            end,
                            bytes,
                            attempts: Attempts::new(self.client.retries),
                        }
                    }
                    None => break,
                };
                let fetch = RangeFetch {
                    client: self.client.clone(),
                    url: self.grant.url.clone(),
                    total,
                    received: Arc::clone(&received),
                    progress: Arc::clone(&notify),
                };
                let grant = renewed;
                transfers.spawn(async move { (grant, fetch.run(range).await) });
            }
            tokio::select! {
                Some(ended) = transfers.join_next() => {
                    let (grant, ended) = ended.map_err(|_| DownloadError::Unavailable)?;
                    let (mut range, refused) = ended?;
                    let Some(status) = refused else {
                        arrived.insert(range.number, range.bytes);
                        continue;
                    };
                    if !range.attempts.again(Duration::ZERO).await {
                        return Err(DownloadError::Refused(status));
                    }
                    if grant == renewed {
                        self.renew().await?;
                        renewed += 1;
                    }
                    again.push_back(range);
                }
                // What cannot be written or opened need not be fetched.
                () = pieces.closed() => return Err(DownloadError::Unavailable),
                Ok(free) = pieces.reserve(), if arrived.contains_key(&handed_over) => {
                    if let Some(bytes) = arrived.remove(&handed_over) {
                        free.send(bytes);
                    }
                    handed_over += 1;
                }
                () = notify.notified() => {}
            }
        }
        progress(Progress::of(self.grant.size, self.grant.size));
        Ok(())
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

/// A range of the object, and what has arrived of it.
struct Range {
    number: u64,
    start: u64,
    end: u64,
    bytes: Vec<u8>,
    attempts: Attempts,
}

impl Range {
    /// The byte of the object after those that have arrived.
    fn next(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

/// Fetches a range.
struct RangeFetch {
    client: Client,
    url: Uri,
    total: u64,
    /// Bytes that have arrived, of all ranges.
    received: Arc<AtomicU64>,
    /// Notified when that changes.
    progress: Arc<Notify>,
}

impl RangeFetch {
    /// Returns the whole range, or the status if S3 refuses the presigned request.
    async fn run(self, mut range: Range) -> Result<(Range, Option<u16>), DownloadError> {
        loop {
            let before = range.bytes.len();
            let fetched = self.fetch(&mut range).await;
            if range.bytes.len() > before {
                range.attempts.progressed();
            }
            let wait = match fetched {
                Ok(()) => return Ok((range, None)),
                Err(Broken::Permanent(error)) => return Err(error),
                Err(Broken::Refused(status)) => return Ok((range, Some(status.as_u16()))),
                Err(Broken::Transient(wait)) => wait,
            };
            if !range.attempts.again(wait).await {
                return Err(DownloadError::Unavailable);
            }
        }
    }

    async fn fetch(&self, range: &mut Range) -> Result<(), Broken> {
        let (start, last) = (range.next(), range.end - 1);
        let request = Request::get(&self.url)
            .header(header::RANGE, format!("bytes={start}-{last}"))
            .body(Empty::new().map_err(|never| match never {}).boxed())
            .map_err(|_| Broken::Permanent(ServiceError::Unexpected.into()))?;
        let response = self.client.http.send_within(STALLED, request).await;
        let response = response.map_err(|NoResponse| Broken::Transient(Duration::ZERO))?;
        let mut body = check(response, Some((start, range.end)), self.total)?.into_body();
        range.bytes.reserve_exact((range.end - start) as usize);
        while range.next() < range.end {
            let frame = tokio::time::timeout(STALLED, body.frame()).await;
            let Ok(Some(Ok(frame))) = frame else {
                return Err(Broken::Transient(Duration::ZERO));
            };
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            let len = bytes.len() as u64;
            if len > range.end - range.next() {
                return Err(Broken::Permanent(DownloadError::NotAuthentic));
            }
            range.bytes.extend_from_slice(&bytes);
            self.received.fetch_add(len, Ordering::Relaxed);
            self.progress.notify_one();
        }
        Ok(())
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
