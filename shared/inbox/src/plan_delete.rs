//! What a user's `DELETE` does: a decision that depends only on what both buckets hold.
//!
//! It lists the inbox first and then looks at the vault: a file that has left the inbox was sealed
//! before that.
//!
//! A run may be sealing the file at the same time. The delete marker in the inbox tells that run,
//! or the next sweep, that the file is deleted. The later marker in the vault tells it that a file
//! written over the marker came too late. If the inbox already has a marker, such a run may still
//! be active since an earlier `DELETE`, so this one adds its own, which stands for the older ones.
//!
//! A presigned PUT to the vault is like a run: its only condition is that no file is there, and it
//! may end after the file of an earlier PUT has been deleted.

use caas_aws::Versions;

/// What to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeletePlan {
    /// Whether there is a file. (Otherwise, a purge may still find older versions of one.)
    pub(crate) found: bool,
    pub(crate) steps: Vec<DeleteStep>,
}

/// One step of a `DELETE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum DeleteStep {
    /// Add a delete marker to the inbox.
    MarkInbox,
    /// Add a delete marker to the vault.
    MarkVault,
    /// Remove every version from the vault.
    PurgeVault,
    /// Remove every version from the vault, below a new delete marker.
    PurgeVaultToMarker,
    /// Remove the versions and markers that were listed in the inbox.
    RemoveListed,
}

/// What the vault shows under the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Current {
    /// No file.
    Nothing,
    /// A file that the service stored for a client.
    Uploaded,
    /// A file that was sealed from the inbox, or uploaded with a presigned PUT: a write in progress
    /// may restore it.
    MayReturn,
}

/// Decides what a `DELETE` does. `inbox` is its listing, `None` if there is no inbox.
pub(crate) fn plan_delete(inbox: Option<&Versions>, current: Current, purge: bool) -> DeletePlan {
    let waits = inbox.is_some_and(|listed| !listed.objects.is_empty());
    let was_deleted = inbox.is_some_and(|listed| !listed.delete_markers.is_empty());
    let may_return = waits || was_deleted || (inbox.is_some() && current == Current::MayReturn);
    let found = waits || current != Current::Nothing;

    use DeleteStep::{MarkInbox, MarkVault, PurgeVault, PurgeVaultToMarker, RemoveListed};
    let steps = match (may_return, purge) {
        (true, false) => vec![MarkInbox, MarkVault, RemoveListed],
        (true, true) => vec![MarkInbox, PurgeVaultToMarker, RemoveListed],
        (false, true) => vec![PurgeVault],
        (false, false) if found => vec![MarkVault],
        (false, false) => vec![],
    };
    DeletePlan { found, steps }
}
