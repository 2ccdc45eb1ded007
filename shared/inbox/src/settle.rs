//! One run for one key.

use caas_aws::{ObjectKey, Versions};

use crate::{
    Failure, Inbox, NamedKey, Settled,
    plan::{Condition, Plan, plan},
    steps::{check, delete, get, list, look, seal, take_back},
};

/// Rounds before a run fails because other writers keep changing the key.
const ROUNDS: usize = 8;

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
        let listed = list(inbox, key).await?;
        refuse_unversioned(&listed)?;
        let Some(vault) = look(inbox, key).await? else {
            continue;
        };
        let (newest, condition) = match plan(&listed, &vault) {
            Plan::Nothing => return Ok(Settled::Nothing),
            Plan::Delete => {
                delete(inbox, key, &listed).await?;
                return Ok(Settled::Nothing);
            }
            Plan::TakeBack(stored) => {
                if !take_back(inbox, key, stored).await? {
                    continue;
                }
                delete(inbox, key, &listed).await?;
                return Ok(Settled::Nothing);
            }
            Plan::Check(newest, stored) => match check(newest, stored, sent.as_ref()) {
                true => {
                    delete(inbox, key, &listed).await?;
                    return Ok(Settled::Sealed);
                }
                false if sent.is_some() => return Err(Failure::NotAsSent),
                false => (newest, Condition::Matches(&stored.e_tag)),
            },
            Plan::Seal(newest, condition) => (newest, condition),
        };
        if newest.size > inbox.settings.max_bytes {
            if let Some(stored) = vault.came_back() {
                take_back(inbox, key, stored).await?;
            }
            return Err(Failure::TooLarge);
        }
        let _memory = inbox.memory_for(newest.size).await;
        let Some(content) = get(inbox, key, newest).await? else {
            continue;
        };
        if content.is_single_use && vault.is_used_by_another(newest) {
            tracing::warn!("a presigned upload was used twice: the second file is discarded");
            delete(inbox, key, &listed).await?;
            return Ok(Settled::Nothing);
        }
        sent = seal(inbox, key, content, &vault, condition).await?;
    }
    Err(Failure::KeepsChanging)
}

/// Without versioning, a listed object may be replaced under the same version id before `delete`.
fn refuse_unversioned(listed: &Versions) -> Result<(), Failure> {
    match listed.objects.iter().any(|v| v.version_id == "null") {
        true => Err(Failure::Unversioned),
        false => Ok(()),
    }
}
