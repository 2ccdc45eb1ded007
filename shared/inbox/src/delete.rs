//! A user's `DELETE`, in both buckets.

use caas_aws::{ObjectKey, Unavailable, VersionedBucket};
use caas_vault::{ObjectInfo, Vault};

use crate::{
    metadata::{AFTER_DELETE, SOURCE_VERSION},
    plan_delete::{Current, DeleteStep, plan_delete},
};

/// Deletes a file from both buckets and returns whether it existed. `purge` also removes every
/// version of it from the vault. A client that is sending the file in parts can no longer complete
/// it.
///
/// # Errors
/// S3 is not available. The deletion may be incomplete; repeat the request.
pub async fn delete_file(
    vault: &Vault,
    inbox: Option<&VersionedBucket>,
    key: &ObjectKey,
    purge: bool,
) -> Result<bool, Unavailable> {
    // First, so that what is completed in spite of it is found below.
    let is_uploading = vault.abort_uploads_to(key).await? > 0;
    let listed = match inbox {
        Some(inbox) => Some(inbox.versions(key).await?),
        None => None,
    };
    let may_return = |info: &ObjectInfo| {
        let recorded = [SOURCE_VERSION, AFTER_DELETE];
        recorded
            .iter()
            .any(|name| info.metadata.contains_key(*name))
    };
    let current = match vault.head(key).await? {
        // S3 may still be completing it.
        None if is_uploading => Current::MayReturn,
        None => Current::Nothing,
        Some(info) if may_return(&info) => Current::MayReturn,
        Some(_) => Current::Uploaded,
    };
    let plan = plan_delete(listed.as_ref(), current, purge);
    let mut found = plan.found;
    for step in plan.steps {
        match (step, inbox, &listed) {
            (DeleteStep::MarkInbox, Some(inbox), _) => drop(inbox.delete(key).await?),
            (DeleteStep::RemoveListed, Some(inbox), Some(listed)) => {
                inbox.remove_all(key, listed).await?;
            }
            (DeleteStep::MarkVault, ..) if found => vault.delete(key).await?,
            (DeleteStep::MarkVault, ..) => vault.delete_again(key).await?,
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
