//! Errors. No message contains a URL, a key or a file's name.

use std::io;

/// Why a request to the service failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The service refused the request.
    #[error("the service refused the request: {detail} ({code})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The stable code, such as `not-found`.
        code: String,
        /// What kind of problem it is, in a few words.
        title: String,
        /// What went wrong, and what to do.
        detail: String,
    },
    /// Every attempt failed: the service is unreachable, too slow or overloaded.
    #[error("the service is unavailable")]
    Unavailable,
    /// The response is not that of CaaS, or of another version of it.
    #[error("the service's response is not understood")]
    Unexpected,
}

impl ServiceError {
    /// What the service says of a file that it does not have.
    pub(crate) fn not_found() -> Self {
        Self::Refused {
            status: 404,
            code: "not-found".to_owned(),
            title: "Not found".to_owned(),
            detail: "There is no file with this id.".to_owned(),
        }
    }

    /// What API Gateway means by `Request Too Long`, which is no problem document: it refuses a body
    /// of more than 10 MB before the service sees the request.
    pub(crate) fn too_large() -> Self {
        Self::Refused {
            status: 413,
            code: "too-large".to_owned(),
            title: "Too large".to_owned(),
            detail: "The body exceeds the gateway's limit.".to_owned(),
        }
    }
}

/// Why a file was not uploaded.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Source(#[source] io::Error),
    /// The file changed while it was sent: its length, or, in parts, the time of its last change.
    #[error("the file changed while it was sent")]
    Changed,
    /// The journal cannot be read or written, and without it nothing is sent.
    #[error("the journal of the upload cannot be read or written")]
    Journal(#[source] io::Error),
    /// Another process, or another task, is uploading this file with the same journal.
    #[error("this file is being uploaded with the same journal")]
    InProgress,
    /// The service did not begin the upload.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// S3 refused the file.
    #[error("S3 refused the file with status {0}")]
    Refused(u16),
    /// Every attempt failed, or the time limit is over: S3 is unreachable or too slow, or the
    /// connection broke. If the last attempt arrived all the same, the file appears in the listing.
    #[error("S3 is unavailable")]
    Unavailable,
}

/// Why a file was not downloaded. The destination is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The stored file does not open: it is not what was uploaded.
    #[error("the stored file does not open: it is not what was uploaded")]
    NotAuthentic,
    /// The destination cannot be written.
    #[error("the destination cannot be written")]
    Destination(#[source] io::Error),
    /// The service did not issue a grant.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The file was replaced while it was downloaded. What had arrived is removed: the next download
    /// begins anew.
    #[error("the file was replaced while it was downloaded")]
    Replaced,
    /// The file was deleted while it was downloaded. What had arrived is removed.
    #[error("the file was deleted while it was downloaded")]
    Deleted,
    /// Another process, or another task, is downloading to this destination.
    #[error("another download to this destination is in progress")]
    InProgress,
    /// S3 refused the request of a new grant.
    #[error("S3 refused to send the file with status {0}")]
    Refused(u16),
    /// Every attempt failed without progress, or the time limit is over: S3 is unreachable or too
    /// slow, or the connection broke.
    #[error("S3 is unavailable")]
    Unavailable,
}
