//! How a run for one key ends.

use caas_aws::Unavailable;
use caas_vault::PutError;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The newest version is sealed; the versions that were listed are deleted.
    Sealed,
    /// There was nothing to seal, or the user has deleted it.
    Nothing,
}

/// Why a run for a key failed. What was in the inbox is still there, or sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It is not a key of a file.
    #[error("not the key of a file of a client")]
    IllegalKey,
    /// It is in a bucket that is not the inbox.
    #[error("not in the inbox")]
    NotInInbox,
    /// It is longer than what is sealed.
    #[error("longer than INBOX_MAX_BYTES")]
    TooLarge,
    /// The inbox has no versioning, or had none when this was dropped.
    #[error("in the inbox without versioning")]
    Unversioned,
    /// The content was cut off, or its checksum does not match.
    #[error("the content cannot be read")]
    Unreadable,
    /// What the vault holds is not what was sent.
    #[error("the vault does not hold what was sent")]
    NotAsSent,
    /// Other writers were faster, again and again.
    #[error("it keeps changing")]
    KeepsChanging,
    /// KMS or S3 is down, throttled, timed out or refuses us.
    #[error("KMS or S3 is not available")]
    Unavailable,
}

impl Failure {
    /// Whether another run would fail in the same way.
    pub fn is_lasting(self) -> bool {
        match self {
            Self::IllegalKey | Self::NotInInbox | Self::TooLarge | Self::Unversioned => true,
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
            PutError::Unavailable => Self::Unavailable,
        }
    }
}
