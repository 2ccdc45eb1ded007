//! The errors of a vault, in our own words: never the SDK's text.

use std::io;

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use caas_aws::{KmsError, LengthRefused, STORAGE_FULL, Unavailable, status};

/// Why a put failed. No part of the file is visible, unless S3 became unreachable at the very end.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// A file exists, or is not the expected one, or another writer was faster.
    #[error("the file is not in the expected state")]
    PreconditionFailed,
    /// The content is longer than allowed.
    #[error("longer than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The content does not have the announced length.
    #[error("the content does not have the announced length")]
    WrongLength,
    /// The content cannot be read.
    #[error("the content cannot be read")]
    Source(#[source] io::Error),
    /// What was sealed does not open again: a fault of this machine.
    #[error("what was sealed does not open")]
    DoesNotOpen,
    /// S3 has no room, as only storage other than AWS's can say.
    #[error("the storage is full")]
    StorageFull,
    /// KMS or S3 is down, throttles, times out or denies access, or the system has no randomness.
    /// Retrying later may help.
    #[error("KMS or S3 is not available")]
    Unavailable,
}

/// Why a file was not opened. No byte of it was released.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// The file does not exist.
    #[error("the file does not exist")]
    NotFound,
    /// The stored object is another program's: its encryption context has nothing of ours.
    #[error("the file has another encryption context")]
    OtherContext,
    /// The stored object does not open, whatever the cause.
    #[error("the file does not open")]
    NotAuthentic,
    /// The file is longer than the caller's limit.
    #[error("the file has {size} bytes, more than the limit")]
    TooLarge {
        /// Its length in bytes.
        size: u64,
    },
    /// The destination cannot be written.
    #[error("the destination cannot be written")]
    Destination(#[source] io::Error),
    /// KMS or S3 is down, throttles, times out or denies access. Retrying later may help.
    #[error("KMS or S3 is not available")]
    Unavailable,
}

impl From<Unavailable> for PutError {
    fn from(Unavailable: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl From<LengthRefused> for PutError {
    fn from(error: LengthRefused) -> Self {
        match error {
            LengthRefused::TooLong { limit } => Self::TooLarge { limit },
            LengthRefused::NotAsAnnounced => Self::WrongLength,
        }
    }
}

impl From<Unavailable> for GetError {
    fn from(Unavailable: Unavailable) -> Self {
        Self::Unavailable
    }
}

/// Logs why S3 did not take a write.
pub(crate) fn not_written<E>(
    operation: &'static str,
    error: &SdkError<E, HttpResponse>,
) -> PutError {
    let unavailable = Unavailable::new(operation, error);
    match status(error) {
        Some(STORAGE_FULL) => PutError::StorageFull,
        _ => unavailable.into(),
    }
}

/// Whether a conditional write lost to another one. S3 returns 412 if the state is not the expected
/// one, 409 if it changes at the same time, and 404 for `If-Match` without an object.
pub(crate) fn is_precondition<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    match status(error) {
        Some(412 | 409) => true,
        Some(404) => error.code() == Some("NoSuchKey"),
        _ => false,
    }
}

/// Why KMS returned no data key.
pub(crate) fn no_data_key(error: KmsError) -> PutError {
    match error {
        KmsError::NotAuthentic | KmsError::Unavailable => PutError::Unavailable,
    }
}
