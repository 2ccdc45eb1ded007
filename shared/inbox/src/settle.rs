//! One run for one key.

use std::time::SystemTime;

use caas_aws::{ObjectKey, Unavailable, Versions};

use crate::{
    Failure, Inbox, NamedKey, Settled,
    plan::{Condition, Plan, VaultState, is_spent, plan},
    steps::{check, delete, get, list, look, seal, take_back},
};

/// Rounds before a run fails because other writers keep changing the key.
const ROUNDS: usize = 8;

/// Why dropped versions are removed, in the audit trail: the file is sealed, or it is not wanted.
const SEAL: &str = "seal a dropped file";
const DISCARD: &str = "discard a dropped file";

impl Inbox {
    /// One run for one key: seals its newest version, checks the stored object, and removes the
    /// listed versions from the inbox.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn run(&self, key: &NamedKey) -> Result<Settled, Failure> {
        match key {
            NamedKey::File(key) => settle(self, key).await,
            NamedKey::Folder => Ok(Settled::Nothing),
            NamedKey::Illegal => Err(Failure::IllegalKey),
        }
    }
}

/// Follows the plan for a key until it is done.
///
/// After a write, the run looks at the vault again, as if another run had written: `delete` relies
/// only on what `check` saw in the vault.
async fn settle(inbox: &Inbox, key: &ObjectKey) -> Result<Settled, Failure> {
    let mut sent = None;
    for _ in 0..ROUNDS {
        let now = SystemTime::now();
        let listed = list(inbox, key).await?;
        refuse_unversioned(&listed)?;
        let Some(vault) = look(inbox, key).await? else {
            continue;
        };
        let (newest, condition) = match plan(&listed, &vault) {
            Plan::Nothing => return Ok(Settled::Nothing),
            Plan::Delete => {
                delete(inbox, key, &listed, now, DISCARD).await?;
                return Ok(Settled::Nothing);
            }
            Plan::TakeBack(stored) => {
                if !take_back(inbox, key, stored).await? {
                    continue;
                }
                delete(inbox, key, &listed, now, DISCARD).await?;
                return Ok(Settled::Nothing);
            }
            Plan::Check(newest, stored) => match check(newest, stored, sent.as_ref()) {
                true => {
                    delete(inbox, key, &listed, now, SEAL).await?;
                    return Ok(Settled::Sealed);
                }
                false if sent.is_some() => return Err(Failure::NotAsSent),
                false => (newest, Condition::Matches(&stored.e_tag)),
            },
            Plan::Seal(newest, condition) => (newest, condition),
        };
        let is_too_large = newest.size > inbox.settings.max_bytes;
        let (_memory, content) = match is_too_large {
            true => (None, Err(Failure::TooLarge)),
            false => (
                inbox.memory_for(newest.size).await,
                get(inbox, key, newest).await,
            ),
        };
        let content = match content {
            Ok(Some(content)) => content,
            Ok(None) => continue,
            Err(failure) => {
                if failure.is_lasting() {
                    take_back_deleted(inbox, key, &vault).await?;
                }
                return Err(failure);
            }
        };
        if content.is_single_use && is_spent(&listed, &vault, newest) {
            tracing::warn!("a presigned upload was used twice: the second file is discarded");
            if !take_back_deleted(inbox, key, &vault).await? {
                continue;
            }
            delete(inbox, key, &listed, now, DISCARD).await?;
            return Ok(Settled::Nothing);
        }
        sent = seal(inbox, key, (newest, content), &vault, condition).await?;
    }
    Err(Failure::KeepsChanging)
}

/// Takes back a file that came back, although a newer drop waits that is not sealed; false if the
/// file is no longer there.
async fn take_back_deleted(
    inbox: &Inbox,
    key: &ObjectKey,
    vault: &VaultState,
) -> Result<bool, Unavailable> {
    match vault.came_back() {
        Some(stored) => take_back(inbox, key, stored).await,
        None => Ok(true),
    }
}

/// Without versioning, a listed object may be replaced under the same version id before `delete`.
fn refuse_unversioned(listed: &Versions) -> Result<(), Failure> {
    match listed.objects.iter().any(|v| v.version_id == "null") {
        true => Err(Failure::Unversioned),
        false => Ok(()),
    }
}
