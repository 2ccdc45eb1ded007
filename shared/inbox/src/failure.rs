//! How a run for one key ends.

use caas_aws::Unavailable;
use caas_vault::PutError;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The newest version is sealed, and the listed versions are deleted.
    Sealed,
    /// There was nothing to seal, or the user deleted it.
    Nothing,
}

/// Why a run for a key failed. The file is still in the inbox, or sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The key is not that of a file.
    #[error("not the key of a client's file")]
    IllegalKey,
    /// The object is in another bucket.
    #[error("not in the inbox")]
    NotInInbox,
    /// The object is longer than the limit.
    #[error("longer than INBOX_MAX_BYTES")]
    TooLarge,
    /// S3 refuses to return the object: it is archived, or encrypted with a key of its sender's, or
    /// has metadata that is not text.
    #[error("S3 does not return the object")]
    NotReturned,
    /// The inbox has no versioning, or had none when the file was dropped.
    #[error("dropped while the inbox had no versioning")]
    Unversioned,
    /// The content was truncated, or its checksum does not match.
    #[error("the content cannot be read")]
    Unreadable,
    /// The object in the vault is not the one that was sent.
    #[error("the object in the vault is not the one that was sent")]
    NotAsSent,
    /// Other writers were faster in every attempt.
    #[error("the file keeps changing")]
    KeepsChanging,
    /// KMS or S3 is down, throttles, times out or denies access.
    #[error("KMS or S3 is not available")]
    Unavailable,
}

impl Failure {
    /// Whether another run would fail in the same way.
    pub fn is_lasting(self) -> bool {
        match self {
            Self::IllegalKey
            | Self::NotInInbox
            | Self::TooLarge
            | Self::NotReturned
            | Self::Unversioned => true,
            Self::Unreadable | Self::NotAsSent | Self::KeepsChanging | Self::Unavailable => false,
        }
    }
}

impl From<Unavailable> for Failure {
    fn from(Unavailable: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl From<PutError> for Failure {
    fn from(error: PutError) -> Self {
        match error {
            PutError::PreconditionFailed => Self::KeepsChanging,
            PutError::TooLarge { .. } => Self::TooLarge,
            PutError::WrongLength | PutError::Source(_) => Self::Unreadable,
            PutError::DoesNotOpen => Self::NotAsSent,
            PutError::StorageFull | PutError::Unavailable => Self::Unavailable,
        }
    }
}
