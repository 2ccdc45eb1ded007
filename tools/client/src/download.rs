//! Downloads a file by a grant. The destination appears only once all of it has been verified.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use bytes::Bytes;
use caas_crypto::stored::{BodyOpener, Grant, OVERHEAD};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use tempfile::NamedTempFile;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    Client, DownloadError, Progress, ServiceError,
    api::{is_transient, retry_after},
    http_client::NoResponse,
    response::GrantResponse,
    retry::Attempts,
};

/// S3 must respond within this time, and a response must not pause for longer.
pub(crate) const STALLED: Duration = Duration::from_secs(30);

/// Plaintext is written in chunks of about this many bytes.
const WRITE_LEN: usize = 1 << 20;

/// The file is synced whenever this many bytes have been written.
const SYNC_LEN: usize = 32 << 20;

/// Pieces queued for opening.
const WAITING: usize = 8;

/// A downloaded file.
#[derive(Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// The name it was uploaded under. Untrusted: do not use it as a path unchecked.
    pub name: String,
    /// The content type it was uploaded with.
    pub content_type: String,
    /// Its length in bytes.
    pub size: u64,
}

/// Omits the names: they are content.
impl std::fmt::Debug for Downloaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Downloaded")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Why a fetch ended early.
pub(crate) enum Broken {
    /// A retry will not help.
    Permanent(DownloadError),
    /// S3 refuses the presigned request: it has expired, or the version is gone.
    Refused(StatusCode),
    /// The connection broke, or S3 asks to retry later.
    Transient(Duration),
}

impl Client {
    /// Downloads the file with this id to `destination`, replacing an existing file, and reports to
    /// `progress`. The plaintext goes to a temporary file in the same folder that only this user
    /// can read, which is renamed once all of it has been verified. A broken connection is resumed.
    ///
    /// # Errors
    /// See [`DownloadError`].
    pub async fn download(
        &self,
        id: &str,
        destination: &Path,
        mut progress: impl FnMut(Progress),
    ) -> Result<Downloaded, DownloadError> {
        let grant = self.grant(id).await?;
        let limit = self.time_limit(grant.size);
        let downloaded = self.download_granted(id, grant, destination, &mut progress);
        let downloaded = tokio::time::timeout(limit, downloaded).await;
        downloaded.unwrap_or(Err(DownloadError::Unavailable))
    }

    async fn download_granted(
        &self,
        id: &str,
        mut grant: GrantResponse,
        destination: &Path,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Downloaded, DownloadError> {
        let mut attempts = Attempts::new(self.retries);
        let mut opening = Opening::begin(&grant, destination)?;
        loop {
            let before = opening.received;
            let Err(broken) = self.fetch(&grant, &mut opening, progress).await else {
                break;
            };
            if opening.received > before {
                attempts.progressed();
            }
            let (status, wait) = match broken {
                Broken::Permanent(error) => return Err(opening.abandon(error).await),
                Broken::Refused(status) => (Some(status), Duration::ZERO),
                Broken::Transient(wait) => (None, wait),
            };
            if !attempts.again(wait).await {
                let error = status.map_or(DownloadError::Unavailable, |status| {
                    DownloadError::Refused(status.as_u16())
                });
                return Err(opening.abandon(error).await);
            }
            if status.is_some() {
                let renewed = match self.grant(id).await {
                    Ok(renewed) => renewed,
                    Err(error) => return Err(opening.abandon(error.into()).await),
                };
                // Each version has its own key: with another key, this is another version.
                if renewed.encryption != grant.encryption || renewed.size != grant.size {
                    opening.abandon(DownloadError::Unavailable).await;
                    opening = Opening::begin(&renewed, destination)?;
                }
                grant = renewed;
            }
        }
        opening.finish(destination.to_owned()).await?;
        Ok(Downloaded {
            name: grant.name,
            content_type: grant.content_type,
            size: grant.size,
        })
    }

    /// Fetches the missing bytes.
    async fn fetch(
        &self,
        grant: &GrantResponse,
        opening: &mut Opening,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), Broken> {
        let (start, total) = (opening.received, opening.total);
        if start == total {
            return Ok(());
        }
        let mut request = Request::get(&grant.url);
        if start > 0 {
            request = request.header(header::RANGE, format!("bytes={start}-"));
        }
        let body = Empty::new().map_err(|never| match never {}).boxed();
        let request = request
            .body(body)
            .map_err(|_| Broken::Permanent(ServiceError::Unexpected.into()))?;
        let response = self.http.send_within(STALLED, request).await;
        let response = response.map_err(|NoResponse| Broken::Transient(Duration::ZERO))?;
        let range = (start > 0).then_some((start, total));
        let mut body = check(response, range, total)?.into_body();
        while opening.received < total {
            let size = grant.size;
            let done = size.min(opening.received);
            progress(Progress::of(done, size));
            let frame = tokio::time::timeout(STALLED, body.frame()).await;
            let Ok(Some(Ok(frame))) = frame else {
                return Err(Broken::Transient(Duration::ZERO));
            };
            if let Ok(data) = frame.into_data() {
                opening.take(data).await?;
            }
        }
        progress(Progress::of(grant.size, grant.size));
        Ok(())
    }
}

/// Checks that the response is this range of the object (start and end), or all of it, and that the
/// object is `total` bytes long.
pub(crate) fn check(
    response: Response<Incoming>,
    range: Option<(u64, u64)>,
    total: u64,
) -> Result<Response<Incoming>, Broken> {
    let header = |name| response.headers().get(name)?.to_str().ok();
    match (response.status(), range) {
        (StatusCode::OK, None) => {
            let len = header(header::CONTENT_LENGTH).and_then(|len| len.parse().ok());
            if len.is_some_and(|len: u64| len != total) {
                return Err(Broken::Permanent(DownloadError::NotAuthentic));
            }
            Ok(response)
        }
        (StatusCode::PARTIAL_CONTENT, Some((start, end))) => {
            let range = format!("bytes {start}-{}/{total}", end - 1);
            if header(header::CONTENT_RANGE) != Some(&range) {
                return Err(Broken::Permanent(DownloadError::NotAuthentic));
            }
            Ok(response)
        }
        (StatusCode::RANGE_NOT_SATISFIABLE, _) => {
            Err(Broken::Permanent(DownloadError::NotAuthentic))
        }
        (status @ (StatusCode::FORBIDDEN | StatusCode::NOT_FOUND), _) => {
            Err(Broken::Refused(status))
        }
        (status, _) if is_transient(status) => {
            Err(Broken::Transient(retry_after(response.headers())))
        }
        (status, _) => Err(Broken::Permanent(DownloadError::Refused(status.as_u16()))),
    }
}

/// A body that a thread opens into a temporary file as it arrives.
struct Opening {
    pieces: mpsc::Sender<Option<Bytes>>,
    thread: JoinHandle<Result<NamedTempFile, DownloadError>>,
    received: u64,
    /// Length of the body, tag included.
    total: u64,
}

impl Opening {
    fn begin(grant: &GrantResponse, destination: &Path) -> Result<Self, DownloadError> {
        let key = grant.encryption.grant()?;
        let total = grant.size.checked_add(OVERHEAD as u64);
        let (sender, pieces) = mpsc::channel(WAITING);
        let folder = match destination.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        Ok(Self {
            pieces: sender,
            thread: tokio::task::spawn_blocking(move || open(&key, &folder, pieces)),
            received: 0,
            total: total.ok_or(ServiceError::Unexpected)?,
        })
    }

    async fn take(&mut self, piece: Bytes) -> Result<(), Broken> {
        self.received += piece.len() as u64;
        // Nothing may follow the tag.
        if self.received > self.total {
            return Err(Broken::Permanent(DownloadError::NotAuthentic));
        }
        let taken = self.pieces.send(Some(piece)).await;
        taken.map_err(|_| Broken::Permanent(DownloadError::NotAuthentic))
    }

    /// Ends the thread, which removes the file. Returns the thread's own error if it ended early,
    /// and `error` otherwise.
    async fn abandon(self, error: DownloadError) -> DownloadError {
        let ended = self.pieces.is_closed();
        drop(self.pieces);
        match self.thread.await {
            Ok(Err(own)) if ended => own,
            _ => error,
        }
    }

    /// Verifies the file and renames it.
    async fn finish(self, destination: PathBuf) -> Result<(), DownloadError> {
        // If the thread has ended, it returns the reason below.
        let _ = self.pieces.send(None).await;
        let joined = |error: tokio::task::JoinError| DownloadError::Destination(error.into());
        let temporary = self.thread.await.map_err(joined)??;
        let named = tokio::task::spawn_blocking(move || temporary.persist(destination));
        let named = named.await.map_err(joined)?;
        named
            .map(drop)
            .map_err(|error| DownloadError::Destination(error.error))
    }
}

/// Opens all pieces and verifies them. Removes the file on any error, also if the pieces end early.
fn open(
    key: &Grant,
    folder: &Path,
    mut pieces: mpsc::Receiver<Option<Bytes>>,
) -> Result<NamedTempFile, DownloadError> {
    let temporary = NamedTempFile::new_in(folder).map_err(DownloadError::Destination)?;
    let file = temporary.as_file().try_clone();
    let mut file = SyncedFile::of(file.map_err(DownloadError::Destination)?);
    let mut opener: BodyOpener = key.opener();
    let mut plaintext = Vec::with_capacity(WRITE_LEN + (WRITE_LEN >> 1));
    loop {
        let Some(piece) = pieces.blocking_recv() else {
            let given_up = io::Error::from(io::ErrorKind::Interrupted);
            return Err(DownloadError::Destination(given_up));
        };
        let Some(piece) = piece else { break };
        let opened = opener.update(&piece, &mut plaintext);
        opened.map_err(|_| DownloadError::NotAuthentic)?;
        if plaintext.len() >= WRITE_LEN {
            file.write(&plaintext)?;
            plaintext.clear();
        }
    }
    opener.finish().map_err(|_| DownloadError::NotAuthentic)?;
    file.write(&plaintext)?;
    file.finish()?;
    Ok(temporary)
}

/// A file that is synced while it is written, so that little remains to sync at the end.
pub(crate) struct SyncedFile {
    file: File,
    since_sync: usize,
    syncing: Option<thread::JoinHandle<io::Result<()>>>,
}

impl SyncedFile {
    pub(crate) fn of(file: File) -> Self {
        Self {
            file,
            since_sync: 0,
            syncing: None,
        }
    }

    pub(crate) fn write(&mut self, plaintext: &[u8]) -> Result<(), DownloadError> {
        let written = self.file.write_all(plaintext);
        written.map_err(DownloadError::Destination)?;
        self.since_sync += plaintext.len();
        if self.since_sync >= SYNC_LEN {
            self.since_sync = 0;
            self.synced()?;
            let file = self.file.try_clone();
            let file = file.map_err(DownloadError::Destination)?;
            self.syncing = Some(thread::spawn(move || file.sync_data()));
        }
        Ok(())
    }

    /// Waits for the sync in progress.
    fn synced(&mut self) -> Result<(), DownloadError> {
        let syncing = self.syncing.take().map(thread::JoinHandle::join);
        let outcome = match syncing {
            None => Ok(()),
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => Err(io::Error::other("the file could not be synced")),
        };
        outcome.map_err(DownloadError::Destination)
    }

    pub(crate) fn finish(mut self) -> Result<(), DownloadError> {
        self.synced()?;
        self.file.sync_all().map_err(DownloadError::Destination)
    }
}
