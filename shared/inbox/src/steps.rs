//! The steps of a run. The model has steps of the same names.

use std::time::SystemTime;

use caas_aws::{ObjectKey, PutOptions, Unavailable, Version, Versions};
use caas_vault::{PutError, Stored};

use crate::{
    Failure, Inbox,
    dropped::Dropped,
    metadata::{AFTER_DELETE, NO_DELETE, SOURCE_VERSION},
    plan::{Condition, StoredFile, VaultState},
};

/// What the inbox holds under the key.
pub(crate) async fn list(inbox: &Inbox, key: &ObjectKey) -> Result<Versions, Unavailable> {
    inbox.bucket.versions(key).await
}

/// What the vault holds under the key; `None` if it changes at the same time.
pub(crate) async fn look(
    inbox: &Inbox,
    key: &ObjectKey,
) -> Result<Option<VaultState>, Unavailable> {
    let versions = inbox.vault.bucket().versions(key).await?;
    let current = versions.objects.iter().find(|version| version.is_latest);
    let stored = match current {
        None => None,
        Some(version) => {
            let info = inbox.vault.head_version(key, &version.version_id).await?;
            let Some(info) = info else { return Ok(None) };
            Some(StoredFile {
                size: info.size(),
                header: info.header(key).ok(),
                source_version: info.metadata.get(SOURCE_VERSION).cloned(),
                after_delete: info.metadata.get(AFTER_DELETE).cloned(),
                e_tag: info.e_tag,
            })
        }
    };
    let newest_marker = versions.delete_markers.first();
    Ok(Some(VaultState {
        stored,
        newest_marker: newest_marker.map(|marker| marker.version_id.clone()),
    }))
}

/// Starts reading the version; `None` if it is no longer the newest.
///
/// The request names no version, because the run must know that this is still the current one.
pub(crate) async fn get(
    inbox: &Inbox,
    key: &ObjectKey,
    version: &Version,
) -> Result<Option<Dropped>, Unavailable> {
    let content = Dropped::read(&inbox.bucket, key).await?;
    Ok(content.filter(|content| content.version_id == version.version_id))
}

/// Writes the sealed content; `None` if the vault is no longer as `look` saw it.
pub(crate) async fn seal(
    inbox: &Inbox,
    key: &ObjectKey,
    content: Dropped,
    vault: &VaultState,
    condition: Condition<'_>,
) -> Result<Option<Stored>, Failure> {
    let after_delete = vault.newest_marker.as_deref().unwrap_or(NO_DELETE);
    // S3's version ids and ETags are valid header values.
    let options = PutOptions::default()
        .exact_len(content.size)
        .metadata(SOURCE_VERSION, &content.version_id)
        .and_then(|options| options.metadata(AFTER_DELETE, after_delete))
        .and_then(|options| match condition {
            Condition::Absent => Ok(options.if_absent()),
            Condition::Matches(e_tag) => options.if_match(e_tag),
        })
        .map_err(|_| Failure::Unavailable)?;
    // A content type that is not a valid header value is left out.
    let options = match &content.content_type {
        Some(content_type) => options
            .clone()
            .content_type(content_type)
            .unwrap_or(options),
        None => options,
    };
    let reader = content.into_reader();
    match inbox.vault.put_reader(key, reader, &options).await {
        Ok(stored) => Ok(Some(stored)),
        Err(PutError::PreconditionFailed) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether the vault's file is all of this version, sealed: in the format, for this key, of this
/// length, and, if this run wrote it, with the header it sent. (S3 stores a file only after
/// comparing the bytes of every part with their checksum.)
pub(crate) fn check(version: &Version, stored: &StoredFile, sent: Option<&Stored>) -> bool {
    let as_sent = match sent {
        Some(sent) if sent.e_tag == stored.e_tag => stored.header.as_ref() == Some(&sent.header),
        _ => stored.header.is_some(),
    };
    as_sent
        && stored.size == version.size
        && stored.source_version.as_ref() == Some(&version.version_id)
}

/// Removes the listed versions permanently, the oldest first, so that no older one becomes current.
/// Delete markers stay, to remind the sweep of a file that may come back.
pub(crate) async fn delete(
    inbox: &Inbox,
    key: &ObjectKey,
    listed: &Versions,
) -> Result<(), Unavailable> {
    inbox.bucket.remove_objects(key, listed).await
}

/// Deletes a file from the vault that its user has deleted; false if it is no longer there.
pub(crate) async fn take_back(
    inbox: &Inbox,
    key: &ObjectKey,
    stored: &StoredFile,
) -> Result<bool, Unavailable> {
    inbox.vault.delete_if_match(key, &stored.e_tag).await
}

/// Removes delete markers with nothing below them, once no run can be active that read what was
/// there: if such a run dies after its write, the next sweep still has to take its file back.
pub(crate) async fn forget(
    inbox: &Inbox,
    key: &ObjectKey,
    now: SystemTime,
) -> Result<(), Unavailable> {
    let listed = list(inbox, key).await?;
    if !listed.objects.is_empty() {
        return Ok(());
    }
    for marker in listed.delete_markers.iter().rev() {
        let since = now.duration_since(marker.last_modified);
        if since.is_ok_and(|since| since >= inbox.settings.longest_run) {
            inbox.bucket.remove(key, &marker.version_id).await?;
        }
    }
    Ok(())
}
