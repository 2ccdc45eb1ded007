//! A user's `DELETE`, in both buckets.

use caas_aws::{ObjectKey, Unavailable, VersionedBucket};
use caas_vault::Vault;

use crate::{
    metadata::SOURCE_VERSION,
    plan_delete::{Current, DeleteStep, plan_delete},
};

/// Deletes a file from both buckets and returns whether it existed. `purge` also removes every
/// version of it from the vault.
///
/// # Errors
/// S3 is not available. The deletion may be incomplete; repeat the request.
pub async fn delete_file(
    vault: &Vault,
    inbox: Option<&VersionedBucket>,
    key: &ObjectKey,
    purge: bool,
) -> Result<bool, Unavailable> {
    let listed = match inbox {
        Some(inbox) => Some(inbox.versions(key).await?),
        None => None,
    };
    let current = match vault.head(key).await? {
        None => Current::Nothing,
        Some(info) if info.metadata.contains_key(SOURCE_VERSION) => Current::Sealed,
        Some(_) => Current::Uploaded,
    };
    let plan = plan_delete(listed.as_ref(), current, purge);
    let mut found = plan.found;
    for step in plan.steps {
        match (step, inbox, &listed) {
            (DeleteStep::MarkInbox, Some(inbox), _) => drop(inbox.delete(key).await?),
            (DeleteStep::RemoveListed, Some(inbox), Some(listed)) => {
                inbox.remove_objects(key, listed).await?;
            }
            (DeleteStep::MarkVault, ..) => vault.delete(key).await?,
            (DeleteStep::PurgeVault, ..) => found |= vault.purge(key).await? > 0,
            (DeleteStep::PurgeVaultToMarker, ..) => {
                found |= vault.purge_to_marker(key).await? > 0;
            }
            // Not planned without an inbox.
            (DeleteStep::MarkInbox | DeleteStep::RemoveListed, ..) => {}
        }
    }
    Ok(found)
}
