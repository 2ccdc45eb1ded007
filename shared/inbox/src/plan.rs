//! What is to be done about a key: a decision from what both buckets hold, and from nothing else.
//!
//! Two listings lead to it, in this order: `list`, of the inbox, and `look`, of the vault. The write
//! depends on the vault still being as `look` saw it, and `get`, between `look` and the write, begins
//! only if the newest version is still the one that `list` saw. So whoever sealed a newer version has
//! written after `look`, and the write of an older one fails.
//!
//! What its user has deleted lies beneath a delete marker in the inbox: `DELETE /api/files/{id}` puts
//! one there, and then one in the vault. But a condition on a write cannot tell "never there" from
//! "deleted": a file that was deleted between `get` and the write comes back. Therefore a sealed
//! object names the newest delete marker that `look` saw in the vault. If another one is beneath it,
//! and nothing newer waits in the inbox, it is deleted again (`take_back`), by this run or by the next
//! one; the marker in the inbox reminds the sweep. If something does wait, it was dropped after the
//! deletion: its sealed object is written once more, so that none is taken back by mistake. (It takes
//! three runs to need that: one that wrote late, one that took back, and one that looked before both.)
//!
//! The model in `model.rs` goes through every order of these steps with this same function.

use caas_aws::{Version, Versions};
use caas_crypto::stored::Header;

/// What `look` saw in the vault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct VaultState {
    /// What a reader sees, if it is not deleted.
    pub(crate) stored: Option<StoredFile>,
    /// The newest delete marker, on top or not.
    pub(crate) newest_marker: Option<String>,
}

/// The current file of the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredFile {
    pub(crate) e_tag: String,
    /// Length of the content in bytes.
    pub(crate) size: u64,
    /// None if the object is not in the format or does not belong here.
    pub(crate) header: Option<Header>,
    pub(crate) source_version: Option<String>,
    pub(crate) after_delete: Option<String>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan<'a> {
    /// Nothing is in the inbox, or nothing any more.
    Nothing,
    /// `get`, `seal` under this condition, and begin again.
    Seal(&'a Version, Condition<'a>),
    /// `check` the file that the vault holds of this version, and `delete` what was listed.
    Check(&'a Version, &'a StoredFile),
    /// `take_back` what was written over a user's delete, and `delete` what was listed.
    TakeBack(&'a StoredFile),
    /// `delete` what was listed: its user has deleted it.
    Delete,
}

/// The state of the vault that a write depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition<'a> {
    Absent,
    Matches(&'a str),
}

/// Decides.
pub(crate) fn plan<'a>(inbox: &'a Versions, vault: &'a VaultState) -> Plan<'a> {
    let newest = inbox.objects.iter().find(|version| version.is_latest);
    let came_back = vault.came_back();
    match (newest, &vault.stored) {
        (Some(newest), None) => Plan::Seal(newest, Condition::Absent),
        (Some(newest), Some(stored)) => {
            let is_sealed = stored.source_version.as_ref() == Some(&newest.version_id);
            match is_sealed && came_back.is_none() {
                true => Plan::Check(newest, stored),
                false => Plan::Seal(newest, Condition::Matches(&stored.e_tag)),
            }
        }
        (None, _) => match came_back {
            Some(stored) => Plan::TakeBack(stored),
            None if inbox.objects.is_empty() => Plan::Nothing,
            None => Plan::Delete,
        },
    }
}

impl VaultState {
    /// Whether the key has, or had, a file that does not come from this version.
    pub(crate) fn is_used_by_another(&self, version: &Version) -> bool {
        match &self.stored {
            Some(stored) => stored.source_version.as_ref() != Some(&version.version_id),
            None => self.newest_marker.is_some(),
        }
    }

    /// The current file, if it was written over a delete that its sealing did not see.
    pub(crate) fn came_back(&self) -> Option<&StoredFile> {
        let stored = self.stored.as_ref()?;
        let (seen, newest) = (stored.after_delete.as_ref()?, self.newest_marker.as_ref()?);
        (seen != newest).then_some(stored)
    }
}
