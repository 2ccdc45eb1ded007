//! What goes wrong. No message holds a URL, a key or a file's name.

use std::io;

/// Why the service did not do what was asked of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// It refuses, and says why.
    #[error("the service refuses: {detail} ({code})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The stable code, such as `not-found`.
        code: String,
        /// What went wrong, and what to do.
        detail: String,
    },
    /// It was not reached, did not answer in time, or is overloaded, however often it was asked.
    #[error("the service does not answer")]
    Unavailable,
    /// What answers is not CaaS, or another version of it.
    #[error("the service answers something that is not understood")]
    Unexpected,
}

/// Why a file was not uploaded.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Source(#[source] io::Error),
    /// The file became longer or shorter while it was sent.
    #[error("the file changed while it was sent")]
    Changed,
    /// The service did not let the upload begin.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// S3 refuses the file.
    #[error("the storage refuses the file with status {0}")]
    Refused(u16),
    /// S3 was not reached, or the connection broke, however often it was tried. Should the last
    /// attempt have arrived all the same, the file shows up in the listing.
    #[error("the storage does not answer")]
    Unavailable,
}

/// Why a file was not downloaded. No file has appeared, and one that was there is as it was.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// What is stored does not open: it is not what was uploaded.
    #[error("the file does not open: what is stored is not what was uploaded")]
    NotAuthentic,
    /// The destination cannot be written.
    #[error("the destination cannot be written")]
    Destination(#[source] io::Error),
    /// The service did not give a grant.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// S3 refuses the request of a new grant.
    #[error("the storage refuses to send the file, with status {0}")]
    Refused(u16),
    /// S3 was not reached, or the connection broke, again and again without a byte in between.
    #[error("the storage does not answer")]
    Unavailable,
}
