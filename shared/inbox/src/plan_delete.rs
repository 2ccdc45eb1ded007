//! What a user's `DELETE` does: a decision from what both buckets hold, and from nothing else.
//!
//! It lists the inbox first and then looks at the vault: what is no longer in the inbox has been sealed
//! before.
//!
//! A run may be sealing the file at this moment. The delete marker in the inbox tells that run, or the
//! next sweep, that the file is deleted; the later one in the vault, that a file written over it came
//! too late. A marker that is already in the inbox means that an earlier `DELETE` may still have such a
//! run to deal with, so this one adds its own.

use caas_aws::Versions;

/// What to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeletePlan {
    /// Whether there is a file. (A purge may still find older versions of one.)
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
    /// Remove the versions that were listed in the inbox.
    RemoveListed,
}

/// What the vault shows under the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Current {
    /// No file.
    Nothing,
    /// A file that was uploaded to the vault.
    Uploaded,
    /// A file that was sealed from the inbox.
    Sealed,
}

/// Decides. `inbox` is what was listed there, `None` if there is no inbox.
pub(crate) fn plan_delete(inbox: Option<&Versions>, current: Current, purge: bool) -> DeletePlan {
    let waits = inbox.is_some_and(|listed| !listed.objects.is_empty());
    let was_deleted = inbox.is_some_and(|listed| !listed.delete_markers.is_empty());
    let is_dropped = waits || was_deleted || (inbox.is_some() && current == Current::Sealed);
    let found = waits || current != Current::Nothing;

    use DeleteStep::{MarkInbox, MarkVault, PurgeVault, PurgeVaultToMarker, RemoveListed};
    let steps = match (is_dropped, purge) {
        (true, false) => vec![MarkInbox, MarkVault, RemoveListed],
        (true, true) => vec![MarkInbox, PurgeVaultToMarker, RemoveListed],
        (false, true) => vec![PurgeVault],
        (false, false) if found => vec![MarkVault],
        (false, false) => vec![],
    };
    DeletePlan { found, steps }
}
