//! A user's `DELETE`, in both buckets.

use caas_aws::{ObjectKey, Unavailable, VersionedBucket, Versions};
use caas_vault::{ObjectInfo, Vault};

use crate::{
    metadata::{AFTER_DELETE, SOURCE_VERSION},
    plan_delete::{Current, DeleteStep, plan_delete},
};

/// What a deletion found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// Whether the file, or something of it, existed.
    pub found: bool,
    /// How many versions with content were removed permanently, from both buckets.
    pub removed: usize,
}

/// Deletes a file from both buckets and returns what there was. `purge` also removes every
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
) -> Result<Deleted, Unavailable> {
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
    let mut removed = 0;
    for step in plan.steps {
        match (step, inbox, &listed) {
            (DeleteStep::MarkInbox, Some(inbox), _) => drop(inbox.delete(key).await?),
            (DeleteStep::RemoveListed, Some(inbox), Some(listed)) => {
                inbox.remove_all(key, listed).await?;
                removed += listed.objects.len();
            }
            (DeleteStep::MarkVault, ..) if found => vault.delete(key).await?,
            (DeleteStep::MarkVault, ..) => vault.delete_again(key).await?,
            (DeleteStep::PurgeVault | DeleteStep::PurgeVaultToMarker, ..) => {
                let purged = match step {
                    DeleteStep::PurgeVault => vault.purge(key).await?,
                    _ => vault.purge_to_marker(key).await?,
                };
                found |= purged != Versions::default();
                removed += purged.objects.len();
            }
            // Not planned without an inbox.
            (DeleteStep::MarkInbox | DeleteStep::RemoveListed, ..) => {}
        }
    }
    Ok(Deleted { found, removed })
}
