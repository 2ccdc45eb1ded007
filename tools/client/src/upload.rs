//! Uploads a file to S3.

use std::{
    borrow::Cow,
    ffi::OsStr,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::json;

use crate::{
    Client, Progress, Spool, UploadError,
    api::{is_transient, retry_after},
    http_client::NoResponse,
    journal::Identity,
    response::{PresignedPut, UploadResponse, UploadWay},
    retry::Attempts,
    sealed_body::SealedBody,
    source::Source,
};

/// A connection that accepts no bytes for this long is abandoned.
pub(crate) const STALLED: Duration = Duration::from_secs(60);

/// How long S3 may take to store a file that has been sent.
pub(crate) const STORING: Duration = Duration::from_secs(300);

/// In mode [`Client`](Mode::Client), longer files are sent in parts. In bytes.
const PARTS_ABOVE: u64 = 64 << 20;

/// The largest error document accepted, in bytes.
const MAX_ERROR: usize = 64 << 10;

/// Who seals a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The client: S3 never sees the plaintext.
    Client,
    /// The service, some seconds after the upload. Until then the inbox bucket holds the plaintext.
    Inbox,
}

/// A file to upload.
#[derive(Clone)]
pub struct Upload {
    origin: Origin,
    name: Option<String>,
    content_type: Option<String>,
    mode: Mode,
    resume_in: Option<PathBuf>,
}

/// Where the bytes come from.
#[derive(Clone)]
enum Origin {
    File(PathBuf),
    Spool(Spool),
}

/// Omits the names.
impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

/// An uploaded file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    /// The file's id, as in `/api/files/{id}`. In mode [`Inbox`](Mode::Inbox) it is readable once
    /// it has been sealed.
    pub id: String,
    /// Its length in bytes.
    pub size: u64,
}

impl Upload {
    /// The regular file at `path`, under its own name.
    pub fn new(path: impl Into<PathBuf>, mode: Mode) -> Self {
        Self::of(Origin::File(path.into()), None, mode)
    }

    /// What was spooled, under this name.
    pub fn spooled(spool: Spool, name: impl Into<String>, mode: Mode) -> Self {
        Self::of(Origin::Spool(spool), Some(name.into()), mode)
    }

    fn of(origin: Origin, name: Option<String>, mode: Mode) -> Self {
        Self {
            origin,
            name,
            content_type: None,
            mode,
            resume_in: None,
        }
    }

    /// Sets another name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the content type; the default is `application/octet-stream`.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Keeps a journal of an upload in parts in this folder, which must exist: after an error, a
    /// cancellation or a crash, the same upload goes on where it was. Its file must be the same then;
    /// otherwise it is uploaded anew.
    ///
    /// The journal holds the file's path, name and content type, the SHA-256 of each part's
    /// ciphertext, and no key. It is removed when the file is uploaded; to give up, use
    /// [`Client::discard`].
    ///
    /// What was [`spooled`](Self::spooled) has no journal: it does not outlive the process.
    #[must_use]
    pub fn resume_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.resume_in = Some(folder.into());
        self
    }

    /// The body of `POST /api/uploads`.
    pub(crate) fn request(&self, size: u64, part_size: Option<u64>) -> serde_json::Value {
        let mut request = json!({
            "name": self.file_name(),
            "size": size,
            "content_type": self.content_type_or_default(),
            "mode": match self.mode {
                Mode::Client => "client",
                Mode::Inbox => "inbox",
            },
        });
        if let Some(part_size) = part_size {
            request["part_size"] = part_size.into();
        }
        request
    }

    /// Opens what is uploaded.
    pub(crate) async fn open(&self) -> Result<Source, UploadError> {
        match &self.origin {
            Origin::File(path) => Source::open(path).await,
            Origin::Spool(spool) => Ok(Source::spooled(spool)),
        }
    }

    /// The folder of the journal, and the file that it belongs to.
    pub(crate) fn journaled(&self) -> Option<(&Path, &Path)> {
        Some((self.resume_in.as_deref()?, self.path()?))
    }

    /// What a journal belongs to, with the service at this URL.
    pub(crate) fn identity(&self, service: &str) -> Identity {
        let path = self.path().unwrap_or(Path::new(""));
        Identity {
            service: service.to_owned(),
            source: path.to_string_lossy().into_owned(),
            name: self.file_name().into_owned(),
            content_type: self.content_type_or_default().to_owned(),
        }
    }

    fn file_name(&self) -> Cow<'_, str> {
        let own = self.path().and_then(Path::file_name);
        let own = own.map(OsStr::to_string_lossy);
        let name = self.name.as_deref().map(Cow::Borrowed);
        name.or(own).unwrap_or_default()
    }

    fn path(&self) -> Option<&Path> {
        match &self.origin {
            Origin::File(path) => Some(path),
            Origin::Spool(_) => None,
        }
    }

    fn content_type_or_default(&self) -> &str {
        let content_type = self.content_type.as_deref();
        content_type.unwrap_or("application/octet-stream")
    }
}

/// Why one attempt did not store the file.
pub(crate) enum Failed {
    /// A retry will not help.
    Permanent(UploadError),
    /// S3 refuses the request: it has expired, or the file exists.
    Refused(StatusCode),
    /// The connection broke, or S3 asks to retry later.
    Transient(Duration),
}

impl Client {
    /// Uploads a file and reports to `progress`: in mode [`Client`](Mode::Client) up to 64 GiB, in
    /// mode [`Inbox`](Mode::Inbox) up to 5 GB. Files above 64 MiB in mode `Client` take turns.
    ///
    /// No key seals two plaintexts, even if the file changes between attempts. In one request, every
    /// attempt has a new key. In parts, above 64 MiB in mode `Client`, a part that is sent again has
    /// the same bytes, or the upload starts over with a new key.
    ///
    /// A dropped future leaves nothing that is visible, and an upload in parts is aborted in the
    /// background. With [`Upload::resume_in`] it is not aborted, and if it was just being completed,
    /// the file may appear.
    ///
    /// # Errors
    /// See [`UploadError`]. Nothing is stored, except as [`UploadError::Unavailable`] says.
    pub async fn upload(
        &self,
        upload: &Upload,
        mut progress: impl FnMut(Progress),
    ) -> Result<Uploaded, UploadError> {
        let source = upload.open().await?;
        let size = source.stamp.size;
        let is_in_parts = upload.mode == Mode::Client && size > PARTS_ABOVE;
        let _turn = match is_in_parts {
            true => Some(self.in_parts.lock().await),
            false => None,
        };
        let limit = self.time_limit(size);
        let uploaded = async {
            match is_in_parts {
                true => self.upload_in_parts(upload, source, &mut progress).await,
                false => self.upload_in_one(upload, size, &mut progress).await,
            }
        };
        let uploaded = tokio::time::timeout(limit, uploaded).await;
        uploaded.unwrap_or(Err(UploadError::Unavailable))
    }

    async fn upload_in_one(
        &self,
        upload: &Upload,
        size: u64,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Uploaded, UploadError> {
        let request = upload.request(size, None);
        let mut attempts = Attempts::new(self.retries);
        let mut begun = self.begin_upload(&request).await?;
        loop {
            let (status, wait) = match self.send(upload, size, &begun, progress).await {
                Ok(()) => break,
                Err(Failed::Permanent(error)) => return Err(error),
                Err(Failed::Refused(status)) => (Some(status), Duration::ZERO),
                Err(Failed::Transient(wait)) => (None, wait),
            };
            // An attempt whose response was lost may have stored the file.
            let arrived =
                upload.mode == Mode::Inbox && status == Some(StatusCode::PRECONDITION_FAILED);
            if arrived || self.size_of(&begun.id).await? == Some(size) {
                break;
            }
            if !attempts.again(wait).await {
                return Err(status.map_or(UploadError::Unavailable, |status| {
                    UploadError::Refused(status.as_u16())
                }));
            }
            // The same request may send plaintext again, but a key must not seal again.
            if upload.mode == Mode::Client || status.is_some() {
                begun = self.begin_upload(&request).await?;
            }
        }
        Ok(Uploaded { id: begun.id, size })
    }

    async fn send(
        &self,
        upload: &Upload,
        size: u64,
        begun: &UploadResponse,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), Failed> {
        let source = upload.open().await.map_err(Failed::Permanent)?;
        if source.stamp.size != size {
            return Err(Failed::Permanent(UploadError::Changed));
        }
        let UploadWay::One(PresignedPut { url, headers }) = &begun.way else {
            return Err(Failed::Permanent(crate::ServiceError::Unexpected.into()));
        };
        let encryption = begun.encryption.as_ref();
        let grant = encryption.map(|encryption| encryption.grant()).transpose();
        let grant = grant.map_err(|error| Failed::Permanent(error.into()))?;
        if grant.is_some() != (upload.mode == Mode::Client) {
            // Never send plaintext where ciphertext is expected.
            return Err(Failed::Permanent(crate::ServiceError::Unexpected.into()));
        }
        let (body, mut sent, thread) = SealedBody::new(source, size, grant);
        let request = headers
            .iter()
            .fold(Request::put(url), |request, (name, value)| {
                request.header(name, value)
            })
            .body(body.boxed())
            .map_err(|_| Failed::Permanent(crate::ServiceError::Unexpected.into()))?;

        let response = self.http.send(request);
        tokio::pin!(response);
        let mut done = 0;
        progress(Progress::of(done, size));
        let response = loop {
            let patience = if done < size { STALLED } else { STORING };
            tokio::select! {
                response = &mut response => break response,
                Ok(()) = sent.changed() => {
                    done = size.min(*sent.borrow_and_update());
                    progress(Progress::of(done, size));
                }
                // Does not wait for the thread: it ends with the connection, which may take long.
                () = tokio::time::sleep(patience) => return Err(Failed::Transient(Duration::ZERO)),
            }
        };
        let response = match response {
            Ok(response) => response,
            // If the thread failed, it broke the connection on purpose, and its error counts.
            Err(NoResponse) => {
                return Err(match thread.await {
                    Ok(Err(error)) => Failed::Permanent(error),
                    _ => Failed::Transient(Duration::ZERO),
                });
            }
        };
        match response.status().is_success() {
            true => Ok(()),
            false => Err(refused(response).await),
        }
    }
}

/// What follows from a response of S3 that reports no success.
pub(crate) async fn refused(response: Response<Incoming>) -> Failed {
    match response.status() {
        status if is_transient(status) => Failed::Transient(retry_after(response.headers())),
        status @ (StatusCode::FORBIDDEN
        | StatusCode::CONFLICT
        | StatusCode::PRECONDITION_FAILED) => Failed::Refused(status),
        StatusCode::BAD_REQUEST if is_timeout(response.into_body()).await => {
            Failed::Transient(Duration::ZERO)
        }
        status => Failed::Permanent(UploadError::Refused(status.as_u16())),
    }
}

/// Whether S3 reports that the body arrived too slowly, which it does with status 400.
async fn is_timeout(body: Incoming) -> bool {
    let body = Limited::new(body, MAX_ERROR).collect();
    match tokio::time::timeout(STALLED, body).await {
        Ok(Ok(body)) => {
            let code = b"<Code>RequestTimeout</Code>";
            let body = body.to_bytes();
            body.windows(code.len()).any(|part| part == code)
        }
        Ok(Err(_)) | Err(_) => false,
    }
}
