//! What goes wrong with a vault, in words of ours: never the SDK's text.

use std::io;

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use caas_aws::{KmsError, LengthRefused, Unavailable, status};

/// Why a file was not put. Nothing of it is visible, unless S3 became unreachable at the very end.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// There is a file already, or not the expected one, or another writer was faster.
    #[error("the file is not in the expected state")]
    PreconditionFailed,
    /// The content is longer than allowed.
    #[error("longer than {limit} bytes")]
    TooLarge {
        /// What is allowed, in bytes.
        limit: u64,
    },
    /// The content has another length than announced.
    #[error("the content has another length than announced")]
    WrongLength,
    /// The content cannot be read.
    #[error("the content cannot be read")]
    Source(#[source] io::Error),
    /// KMS or S3 is down, throttled, timed out or refuses us, or the system has no randomness.
    /// Trying again later may help.
    #[error("KMS or S3 is not available")]
    Unavailable,
}

/// Why a file was not opened. Not a byte of it was released.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// There is no such file.
    #[error("there is no such file")]
    NotFound,
    /// What is stored does not open, whatever the cause.
    #[error("the file does not open")]
    NotAuthentic,
    /// The file is longer than asked for.
    #[error("the file has {size} bytes, more than the limit")]
    TooLarge {
        /// Its length in bytes.
        size: u64,
    },
    /// The destination cannot be written.
    #[error("the destination cannot be written")]
    Destination(#[source] io::Error),
    /// KMS or S3 is down, throttled, timed out or refuses us. Trying again later may help.
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

/// Whether a conditional write lost against another one. S3 says 412 for a state that is not the
/// expected one, 409 for one that changes at the same time, 404 for `If-Match` of what is not there.
pub(crate) fn is_precondition<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    match status(error) {
        Some(412 | 409) => true,
        Some(404) => error.code() == Some("NoSuchKey"),
        _ => false,
    }
}

/// Why no data key could be made.
pub(crate) fn no_data_key(error: KmsError) -> PutError {
    match error {
        KmsError::NotAuthentic | KmsError::Unavailable => PutError::Unavailable,
    }
}
