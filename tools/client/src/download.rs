//! Fetching a file by a grant, and opening it into a file that appears when it has been verified.

use std::{
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
    answer::GrantAnswer,
    api::{is_transient, retry_after},
    http_client::NoAnswer,
    retry::Attempts,
};

/// S3 answers a request within this time, and an answer never pauses for longer.
const STALLED: Duration = Duration::from_secs(30);

/// Plaintext collects in chunks of about this many bytes before it is written.
const WRITE_LEN: usize = 1 << 20;

/// After so many bytes the disk begins to take what was written.
const SYNC_LEN: usize = 32 << 20;

/// Pieces that wait to be opened.
const WAITING: usize = 8;

/// What was downloaded.
#[derive(Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// The name it was uploaded under: somebody else's word, so not a path to write to unseen.
    pub name: String,
    /// The content type it was uploaded with.
    pub content_type: String,
    /// Its length in bytes.
    pub size: u64,
}

/// Names are content.
impl std::fmt::Debug for Downloaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Downloaded")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Why the bytes stopped coming.
enum Broken {
    /// No other request will help.
    ForGood(DownloadError),
    /// The grant's request is refused: it has expired, or the version is gone.
    NotGiven(StatusCode),
    /// The connection broke, or S3 asks for patience.
    ForNow(Duration),
}

impl Client {
    /// Downloads the file with this id to `destination`, over whatever has that name, and tells
    /// `progress` how far it is. The plaintext is written to a temporary file in the same folder, which
    /// only this user can read, and takes the name once all of it has been verified. When the
    /// connection breaks, it goes on where it was.
    ///
    /// # Errors
    /// See [`DownloadError`].
    pub async fn download(
        &self,
        id: &str,
        destination: &Path,
        mut progress: impl FnMut(Progress),
    ) -> Result<Downloaded, DownloadError> {
        let mut attempts = Attempts::new(self.retries);
        let mut grant = self.grant(id).await?;
        let mut opening = Opening::begin(&grant, destination)?;
        loop {
            let before = opening.received;
            let Err(broken) = self.fetch(&grant, &mut opening, &mut progress).await else {
                break;
            };
            if opening.received > before {
                attempts.progressed();
            }
            let (status, wait) = match broken {
                Broken::ForGood(error) => return Err(opening.abandon(error).await),
                Broken::NotGiven(status) => (Some(status), Duration::ZERO),
                Broken::ForNow(wait) => (None, wait),
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
                // One key, one version: with another key it is another file by now.
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

    /// Fetches what is missing.
    async fn fetch(
        &self,
        grant: &GrantAnswer,
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
            .map_err(|_| Broken::ForGood(ServiceError::Unexpected.into()))?;
        let answer = self.http.send_within(STALLED, request).await;
        let answer = answer.map_err(|NoAnswer| Broken::ForNow(Duration::ZERO))?;
        let mut body = check(answer, start, total)?.into_body();
        while opening.received < total {
            let size = grant.size;
            let done = size.min(opening.received);
            progress(Progress { done, total: size });
            let frame = tokio::time::timeout(STALLED, body.frame()).await;
            let Ok(Some(Ok(frame))) = frame else {
                return Err(Broken::ForNow(Duration::ZERO));
            };
            if let Ok(data) = frame.into_data() {
                opening.take(data).await?;
            }
        }
        progress(Progress {
            done: grant.size,
            total: grant.size,
        });
        Ok(())
    }
}

/// Whether the answer is the object from `start` on, and the object as long as it should be.
fn check(answer: Response<Incoming>, start: u64, total: u64) -> Result<Response<Incoming>, Broken> {
    let header = |name| answer.headers().get(name)?.to_str().ok();
    match answer.status() {
        StatusCode::OK if start == 0 => {
            let len = header(header::CONTENT_LENGTH).and_then(|len| len.parse().ok());
            if len.is_some_and(|len: u64| len != total) {
                return Err(Broken::ForGood(DownloadError::NotAuthentic));
            }
            Ok(answer)
        }
        StatusCode::PARTIAL_CONTENT if start > 0 => {
            let range = format!("bytes {start}-{}/{total}", total - 1);
            if header(header::CONTENT_RANGE) != Some(&range) {
                return Err(Broken::ForGood(DownloadError::NotAuthentic));
            }
            Ok(answer)
        }
        StatusCode::RANGE_NOT_SATISFIABLE => Err(Broken::ForGood(DownloadError::NotAuthentic)),
        status @ (StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) => Err(Broken::NotGiven(status)),
        status if is_transient(status) => Err(Broken::ForNow(retry_after(answer.headers()))),
        status => Err(Broken::ForGood(DownloadError::Refused(status.as_u16()))),
    }
}

/// A body that is opened into a temporary file, by a thread, as it comes in.
struct Opening {
    pieces: mpsc::Sender<Option<Bytes>>,
    thread: JoinHandle<Result<NamedTempFile, DownloadError>>,
    received: u64,
    /// Length of the body, tag included.
    total: u64,
}

impl Opening {
    fn begin(grant: &GrantAnswer, destination: &Path) -> Result<Self, DownloadError> {
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
        // What comes after the tag is not of the object.
        if self.received > self.total {
            return Err(Broken::ForGood(DownloadError::NotAuthentic));
        }
        let taken = self.pieces.send(Some(piece)).await;
        taken.map_err(|_| Broken::ForGood(DownloadError::NotAuthentic))
    }

    /// Ends the thread, which removes the file, and says what has gone wrong: if the thread ended
    /// before its time, its error, and `error` otherwise.
    async fn abandon(self, error: DownloadError) -> DownloadError {
        let ended = self.pieces.is_closed();
        drop(self.pieces);
        match self.thread.await {
            Ok(Err(own)) if ended => own,
            _ => error,
        }
    }

    /// Verifies, and gives the file its name.
    async fn finish(self, destination: PathBuf) -> Result<(), DownloadError> {
        // Should the thread have ended, it says why.
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

/// Opens pieces until there is no next, and verifies them all. On any error, and when the pieces break
/// off, the file is removed.
fn open(
    key: &Grant,
    folder: &Path,
    mut pieces: mpsc::Receiver<Option<Bytes>>,
) -> Result<NamedTempFile, DownloadError> {
    let mut file = SyncedFile::new_in(folder)?;
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
    file.finish()
}

/// A temporary file that reaches the disk while it is written, so that little is left to wait for at
/// the end.
struct SyncedFile {
    file: NamedTempFile,
    since_sync: usize,
    syncing: Option<thread::JoinHandle<io::Result<()>>>,
}

impl SyncedFile {
    fn new_in(folder: &Path) -> Result<Self, DownloadError> {
        let file = NamedTempFile::new_in(folder).map_err(DownloadError::Destination)?;
        Ok(Self {
            file,
            since_sync: 0,
            syncing: None,
        })
    }

    fn write(&mut self, plaintext: &[u8]) -> Result<(), DownloadError> {
        let written = self.file.write_all(plaintext);
        written.map_err(DownloadError::Destination)?;
        self.since_sync += plaintext.len();
        if self.since_sync >= SYNC_LEN {
            self.since_sync = 0;
            self.synced()?;
            let file = self.file.as_file().try_clone();
            let file = file.map_err(DownloadError::Destination)?;
            self.syncing = Some(thread::spawn(move || file.sync_data()));
        }
        Ok(())
    }

    /// Waits for the sync under way.
    fn synced(&mut self) -> Result<(), DownloadError> {
        let syncing = self.syncing.take().map(thread::JoinHandle::join);
        let outcome = match syncing {
            None => Ok(()),
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => Err(io::Error::other("the file could not be synchronised")),
        };
        outcome.map_err(DownloadError::Destination)
    }

    fn finish(mut self) -> Result<NamedTempFile, DownloadError> {
        self.synced()?;
        let synced = self.file.as_file().sync_all();
        synced.map_err(DownloadError::Destination)?;
        Ok(self.file)
    }
}
