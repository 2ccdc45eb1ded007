//! Uploads a file to S3.

use std::{
    ffi::OsStr,
    fmt,
    fs::File,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::json;

use crate::{
    Client, Progress, UploadError,
    api::{is_transient, retry_after},
    http_client::NoResponse,
    response::UploadResponse,
    retry::Attempts,
    sealed_body::SealedBody,
};

/// A connection that accepts no bytes for this long is abandoned.
const STALLED: Duration = Duration::from_secs(60);

/// How long S3 may take to store a file that has been sent.
const STORING: Duration = Duration::from_secs(300);

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
    path: PathBuf,
    name: Option<String>,
    content_type: Option<String>,
    mode: Mode,
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
        Self {
            path: path.into(),
            name: None,
            content_type: None,
            mode,
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

    /// The body of `POST /api/uploads`.
    fn request(&self, size: u64) -> serde_json::Value {
        let own = self.path.file_name().map(OsStr::to_string_lossy);
        let name = self.name.as_deref().or(own.as_deref()).unwrap_or_default();
        let content_type = self.content_type.as_deref();
        json!({
            "name": name,
            "size": size,
            "content_type": content_type.unwrap_or("application/octet-stream"),
            "mode": match self.mode {
                Mode::Client => "client",
                Mode::Inbox => "inbox",
            },
        })
    }
}

/// Why one attempt did not store the file.
enum Failed {
    /// A retry will not help.
    Permanent(UploadError),
    /// S3 refuses the request: it has expired, or the file exists.
    Refused(StatusCode),
    /// The connection broke, or S3 asks to retry later.
    Transient(Duration),
}

impl Client {
    /// Uploads a file of up to 5 GB and reports to `progress`.
    ///
    /// In mode [`Client`](Mode::Client) every attempt has a new key, so no key seals two
    /// plaintexts, even if the file changes between attempts.
    ///
    /// # Errors
    /// See [`UploadError`]. Nothing is stored, except as [`UploadError::Unavailable`] says.
    pub async fn upload(
        &self,
        upload: &Upload,
        mut progress: impl FnMut(Progress),
    ) -> Result<Uploaded, UploadError> {
        let (_, size) = open(&upload.path).await?;
        let request = upload.request(size);
        let mut attempts = Attempts::new(self.retries);
        let mut begun = self.begin_upload(&request).await?;
        loop {
            let (status, wait) = match self.send(upload, size, &begun, &mut progress).await {
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
        let (file, len) = open(&upload.path).await.map_err(Failed::Permanent)?;
        if len != size {
            return Err(Failed::Permanent(UploadError::Changed));
        }
        let encryption = begun.encryption.as_ref();
        let grant = encryption.map(|encryption| encryption.grant()).transpose();
        let grant = grant.map_err(|error| Failed::Permanent(error.into()))?;
        if grant.is_some() != (upload.mode == Mode::Client) {
            // Never send plaintext where ciphertext is expected.
            return Err(Failed::Permanent(crate::ServiceError::Unexpected.into()));
        }
        let (body, mut sent, thread) = SealedBody::new(file, size, grant);
        let headers = begun.headers.iter();
        let request = headers
            .fold(Request::put(&begun.url), |request, (name, value)| {
                request.header(name, value)
            })
            .body(body.boxed())
            .map_err(|_| Failed::Permanent(crate::ServiceError::Unexpected.into()))?;

        let response = self.http.send(request);
        tokio::pin!(response);
        let mut done = 0;
        progress(Progress { done, total: size });
        let response = loop {
            let patience = if done < size { STALLED } else { STORING };
            tokio::select! {
                response = &mut response => break response,
                Ok(()) = sent.changed() => {
                    done = size.min(*sent.borrow_and_update());
                    progress(Progress { done, total: size });
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
        match response.status() {
            status if status.is_success() => Ok(()),
            status if is_transient(status) => {
                Err(Failed::Transient(retry_after(response.headers())))
            }
            status @ (StatusCode::FORBIDDEN
            | StatusCode::CONFLICT
            | StatusCode::PRECONDITION_FAILED) => Err(Failed::Refused(status)),
            StatusCode::BAD_REQUEST if is_timeout(response.into_body()).await => {
                Err(Failed::Transient(Duration::ZERO))
            }
            status => Err(Failed::Permanent(UploadError::Refused(status.as_u16()))),
        }
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

/// Opens a regular file and returns its length.
async fn open(path: &Path) -> Result<(File, u64), UploadError> {
    let path = path.to_owned();
    let opened = tokio::task::spawn_blocking(move || {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
        }
        Ok((file, metadata.len()))
    });
    let opened = opened.await.unwrap_or_else(|error| Err(error.into()));
    opened.map_err(UploadError::Source)
}
