//! One run for one key.

use caas_aws::{ObjectKey, PutError, Unavailable, Versions};

use crate::{
    Service,
    plan::{Condition, Plan, plan},
    steps::{check, delete, get, list, look, seal, take_back},
};

/// How often a run begins again because something else changed the key meanwhile.
const ROUNDS: usize = 8;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// The newest version is sealed, what was listed is deleted.
    Sealed,
    /// Nothing was there to be sealed, or its user has deleted it.
    Nothing,
}

/// Does what is to be done about a key.
///
/// What a run has just written, it finds again like something that another run left: `delete` relies
/// on nothing that `check` has not seen in the vault.
pub(crate) async fn settle(service: &Service, key: &ObjectKey) -> Result<Settled, Failure> {
    let mut sent = None;
    for _ in 0..ROUNDS {
        let listed = list(service, key).await?;
        refuse_unversioned(&listed)?;
        let Some(vault) = look(service, key).await? else {
            continue;
        };
        let (newest, condition) = match plan(&listed, &vault) {
            Plan::Nothing => return Ok(Settled::Nothing),
            Plan::Delete => {
                delete(service, key, &listed).await?;
                return Ok(Settled::Nothing);
            }
            Plan::TakeBack(stored) => {
                if !take_back(service, key, stored).await? {
                    continue;
                }
                delete(service, key, &listed).await?;
                return Ok(Settled::Nothing);
            }
            Plan::Check(newest, stored) => match check(newest, stored, sent.as_ref()) {
                true => {
                    delete(service, key, &listed).await?;
                    return Ok(Settled::Sealed);
                }
                false if sent.is_some() => return Err(Failure::NotAsSent),
                false => (newest, Condition::Matches(&stored.e_tag)),
            },
            Plan::Seal(newest, condition) => (newest, condition),
        };
        if newest.size > service.config.max_bytes {
            if let Some(stored) = vault.came_back() {
                take_back(service, key, stored).await?;
            }
            return Err(Failure::TooLarge);
        }
        let _memory = service.memory_for(newest.size).await;
        let Some(content) = get(service, key, newest).await? else {
            continue;
        };
        if content.is_single_use && vault.is_used_by_another(newest) {
            tracing::warn!("a presigned upload was used twice: the second file is discarded");
            delete(service, key, &listed).await?;
            return Ok(Settled::Nothing);
        }
        sent = seal(service, key, content, &vault, condition).await?;
    }
    Err(Failure::KeepsChanging)
}

/// Without versioning, what was listed may be replaced before it is deleted, under the same name.
fn refuse_unversioned(listed: &Versions) -> Result<(), Failure> {
    match listed.objects.iter().any(|v| v.version_id == "null") {
        true => Err(Failure::Unversioned),
        false => Ok(()),
    }
}

/// Why a run for a key did not end well. What was in the inbox is still there, or sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
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
    /// The content broke off, or is not what its checksum says.
    #[error("the content cannot be read")]
    Unreadable,
    /// What the vault holds is not what was sent.
    #[error("the vault holds something else than was sent")]
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
    pub(crate) fn is_lasting(self) -> bool {
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
