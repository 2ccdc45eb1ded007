//! Why there is no key.

use caas_aws::{KmsError, Unavailable};

use crate::record::MAX_VERSIONS;

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserKeyError {
    /// The record is not what this service wrote for this user: changed, cut, another's, or removed
    /// by somebody else. It stays as it is, for somebody to look at.
    #[error("the user's record does not open")]
    Damaged,
    /// S3 or KMS is down, throttled, or will not serve. Trying again later may help.
    #[error("S3 or KMS is not available")]
    Unavailable,
    /// The record is full.
    #[error("the user has {MAX_VERSIONS} key versions, the most there can be")]
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

impl From<Unavailable> for UserKeyError {
    fn from(Unavailable: Unavailable) -> Self {
        Self::Unavailable
    }
}
