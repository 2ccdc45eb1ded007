//! Why there is no key.

use caas_aws::{KmsError, Unavailable};
use caas_crypto::{MAX_VERSIONS, RotateError};

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserKeyError {
    /// The record is not what this service wrote for this user: it was changed, truncated, removed
    /// from outside, or is another user's. It is left as it is, for an operator to inspect.
    #[error("the user's record does not open")]
    Damaged,
    /// S3 or KMS is down, throttles, times out or denies access. Retrying later may help.
    #[error("S3 or KMS is not available")]
    Unavailable,
    /// The record is full.
    #[error("the user has {MAX_VERSIONS} key versions, the maximum")]
    TooManyVersions,
}

impl From<KmsError> for UserKeyError {
    fn from(error: KmsError) -> Self {
        match error {
            KmsError::NotAuthentic => {
                tracing::error!("a key in a user's record does not open");
                Self::Damaged
            }
            KmsError::Unavailable => Self::Unavailable,
        }
    }
}

impl From<RotateError> for UserKeyError {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::Full => Self::TooManyVersions,
            RotateError::Randomness(error) => {
                tracing::error!(%error, "cannot make a user's key");
                Self::Unavailable
            }
        }
    }
}

impl From<Unavailable> for UserKeyError {
    fn from(Unavailable: Unavailable) -> Self {
        Self::Unavailable
    }
}
