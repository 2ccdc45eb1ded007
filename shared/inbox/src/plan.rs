//! What to do about a key: a decision that depends only on what both buckets hold.
//!
//! It follows two listings, in this order: `list`, of the inbox, and `look`, of the vault. The
//! write succeeds only if the vault is still as `look` saw it. `get`, between `look` and the write,
//! starts only if the newest version is still the one that `list` saw. So a run that sealed a newer
//! version wrote after `look`, and the write of an older version fails.
//!
//! A file that its user has deleted lies below a delete marker in the inbox:
//! `DELETE /api/files/{id}` puts one there, and then one in the vault. But a condition on a write
//! cannot distinguish "never there" from "deleted": a file that is deleted between `get` and the
//! write comes back. Therefore a sealed object records the newest delete marker that `look` saw in
//! the vault. If the newest marker below the object is another one, and no newer file waits in the
//! inbox, this run or the next deletes the object again (`take_back`); the marker in the inbox
//! reminds the sweep. If a file does wait, it was dropped after the deletion. It is sealed once
//! more, so that no run takes it back by mistake. (Only three runs together require this: one that
//! writes late, one that takes back, and one that looked before both.)
//!
//! S3 dates a multipart upload by its beginning, so a drop that was completed last may be older than
//! the one that is sealed. A sealed object therefore records the date of its source, and an older
//! drop is deleted.
//!
//! The model in `model.rs` explores every order of these steps with the same functions.

use std::time::SystemTime;

use caas_aws::{Version, Versions};
use caas_crypto::stored::Header;

/// What `look` saw in the vault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct VaultState {
    /// What a reader sees; `None` if there is no file or it is deleted.
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
    /// `None` if the object is not in the format or does not belong under this key.
    pub(crate) header: Option<Header>,
    /// S3's checksum of the whole sealed object.
    pub(crate) checksum: Option<String>,
    pub(crate) source_version: Option<String>,
    /// When the source was dropped, in whole seconds. Only known if there is a header.
    pub(crate) source_date: Option<SystemTime>,
    pub(crate) after_delete: Option<String>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan<'a> {
    /// The inbox holds no version of the file.
    Nothing,
    /// `get`, `seal` under this condition, and start again.
    Seal(&'a Version, Condition<'a>),
    /// `check` the vault's file of this version, and `delete` the listed versions.
    Check(&'a Version, &'a StoredFile),
    /// `take_back` the file that was written over a user's delete, and `delete` the listed
    /// versions.
    TakeBack(&'a StoredFile),
    /// `delete` the listed versions: the user has deleted the file, or a newer one is sealed.
    Delete,
}

/// The state of the vault that a write depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition<'a> {
    Absent,
    Matches(&'a str),
}

/// Decides what a run does next.
pub(crate) fn plan<'a>(inbox: &'a Versions, vault: &'a VaultState) -> Plan<'a> {
    let newest = inbox.objects.iter().find(|version| version.is_latest);
    let newest = newest.filter(|version| !vault.is_newer_than(version));
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

/// Whether `newest` is not the first file of its key, so that its presigned request, if it has one,
/// has been used before.
pub(crate) fn is_spent(inbox: &Versions, vault: &VaultState, newest: &Version) -> bool {
    let is_alone = inbox.delete_markers.is_empty() && inbox.objects.len() == 1;
    !is_alone
        || match &vault.stored {
            Some(stored) => stored.source_version.as_ref() != Some(&newest.version_id),
            None => vault.newest_marker.is_some(),
        }
}

/// The listed delete markers that may go with the listed versions. Once these are gone, the newest
/// marker stands for the others. It may go, too, if a file lies above it and it `is_old`: no run
/// can be in progress that listed before it.
pub(crate) fn spare_markers(
    inbox: &Versions,
    is_old: impl Fn(&Version) -> bool,
) -> impl Iterator<Item = &Version> {
    let markers = inbox.delete_markers.iter().enumerate();
    let spare = markers.filter(move |(i, marker)| *i > 0 || (!marker.is_latest && is_old(marker)));
    spare.map(|(_, marker)| marker)
}

impl VaultState {
    /// Whether the current file comes from a newer version, by S3's order.
    fn is_newer_than(&self, version: &Version) -> bool {
        let date = self.stored.as_ref().and_then(|stored| stored.source_date);
        date.is_some_and(|date| date > version.last_modified)
    }

    /// The current file, if it was written over a delete that its run had not seen.
    pub(crate) fn came_back(&self) -> Option<&StoredFile> {
        let stored = self.stored.as_ref()?;
        let (seen, newest) = (stored.after_delete.as_ref()?, self.newest_marker.as_ref()?);
        (seen != newest).then_some(stored)
    }
}
