//! The steps of a run. The model has steps of the same names.

use std::time::{Duration, SystemTime};

use caas_audit::{Line, TrailUnavailable};
use caas_aws::{ObjectKey, PutOptions, Unavailable, Version, Versions};
use caas_vault::{PutError, Stored};
use uuid::Uuid;

use crate::{
    Failure, Inbox,
    dropped::Dropped,
    metadata::{AFTER_DELETE, NO_DELETE, SOURCE_DATE, SOURCE_VERSION},
    plan::{Condition, StoredFile, VaultState, spare_markers},
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
            let header = info.header(key).ok();
            let source_date = info
                .metadata
                .get(SOURCE_DATE)
                .and_then(|date| parse_date(date));
            Some(StoredFile {
                size: info.size(),
                source_date: source_date.filter(|_| header.is_some()),
                header,
                checksum: info.checksum,
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
) -> Result<Option<Dropped>, Failure> {
    let content = Dropped::read(&inbox.bucket, key).await?;
    Ok(content.filter(|content| content.version_id == version.version_id))
}

/// Writes the sealed content; `None` if the vault is no longer as `look` saw it.
pub(crate) async fn seal(
    inbox: &Inbox,
    key: &ObjectKey,
    (source, content): (&Version, Dropped),
    vault: &VaultState,
    condition: Condition<'_>,
) -> Result<Option<Stored>, Failure> {
    let after_delete = vault.newest_marker.as_deref().unwrap_or(NO_DELETE);
    let source_date = format_date(source.last_modified);
    // S3's version ids and ETags are valid header values.
    let options = PutOptions::default()
        .exact_len(content.size)
        .metadata(SOURCE_VERSION, &source.version_id)
        .and_then(|options| options.metadata(SOURCE_DATE, &source_date))
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
/// length, and, if this run wrote it, with the header and checksum of what it sent and opened again.
/// (Whatever run wrote it, S3 has compared the whole object with that checksum before storing it.)
pub(crate) fn check(version: &Version, stored: &StoredFile, sent: Option<&Stored>) -> bool {
    let as_sent = match sent {
        Some(sent) if sent.e_tag == stored.e_tag => {
            stored.header.as_ref() == Some(&sent.header)
                && stored.checksum.as_ref() == Some(&sent.checksum)
        }
        _ => stored.header.is_some(),
    };
    as_sent
        && stored.size == version.size
        && stored.source_version.as_ref() == Some(&version.version_id)
}

/// Removes the listed versions permanently, the oldest first, so that no older one becomes current,
/// and then the delete markers that no longer have to remind the sweep of a file that may come back.
/// The audit trail says before that it will, and why, and then how it went.
pub(crate) async fn delete(
    inbox: &Inbox,
    key: &ObjectKey,
    listed: &Versions,
    now: SystemTime,
    reason: &'static str,
) -> Result<(), Unavailable> {
    let mut line = Line::new(Uuid::new_v4(), reason.into());
    line.client = Some(key.client().to_owned());
    line.subject = Some(key.subject());
    let written = inbox.trail.intent(line.clone()).await;
    written.map_err(|TrailUnavailable| Unavailable)?;
    let removed = remove(inbox, key, listed, now).await;
    let outcome = match removed {
        Ok(()) => "ok",
        Err(Unavailable) => "dependency-unavailable",
    };
    line.removed = removed.is_ok().then_some(listed.objects.len() as u64);
    // The effect has happened; the trail logs why it could not say so.
    let _ = inbox.trail.outcome_of_intent(line, outcome).await;
    removed
}

async fn remove(
    inbox: &Inbox,
    key: &ObjectKey,
    listed: &Versions,
    now: SystemTime,
) -> Result<(), Unavailable> {
    inbox.bucket.remove_objects(key, listed).await?;
    for marker in spare_markers(listed, |marker| inbox.is_old(marker, now)) {
        inbox.bucket.remove(key, &marker.version_id).await?;
    }
    Ok(())
}

/// Deletes a file from the vault that its user has deleted; false if it is no longer there.
pub(crate) async fn take_back(
    inbox: &Inbox,
    key: &ObjectKey,
    stored: &StoredFile,
) -> Result<bool, Unavailable> {
    inbox.vault.delete_if_match(key, &stored.e_tag).await
}

/// Removes a delete marker with nothing below it, once no write can be in progress that began before
/// it: a run (if it dies after its write, the next sweep still has to take its file back), a
/// presigned PUT, or a multipart upload to the inbox. `upload` is when the oldest one began that was
/// in progress before; if it has been completed, it is in the listing.
pub(crate) async fn forget(
    inbox: &Inbox,
    key: &ObjectKey,
    upload: Option<SystemTime>,
    now: SystemTime,
) -> Result<(), Unavailable> {
    let listed = list(inbox, key).await?;
    if !listed.objects.is_empty() {
        return Ok(());
    }
    for marker in spare_markers(&listed, |_| false) {
        inbox.bucket.remove(key, &marker.version_id).await?;
    }
    if let Some(newest) = listed.delete_markers.first()
        && inbox.is_old(newest, now)
        && upload.is_none_or(|began| began > newest.last_modified)
    {
        inbox.bucket.remove(key, &newest.version_id).await?;
    }
    Ok(())
}

/// Seconds since 1970, to which S3 dates.
fn format_date(date: SystemTime) -> String {
    let since = date.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs().to_string()
}

fn parse_date(text: &str) -> Option<SystemTime> {
    let since = Duration::from_secs(text.parse().ok()?);
    SystemTime::UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use caas_crypto::{
        DataKey,
        stored::{EncryptionContext, Header, WrappedKey, begin},
    };

    use super::*;

    fn header() -> Header {
        let wrapped_key = WrappedKey::try_from(vec![1]).unwrap();
        let context = EncryptionContext::for_object("acme/a");
        begin(DataKey::from([1; 32]), wrapped_key, context)
            .unwrap()
            .0
    }

    #[test]
    fn only_what_was_sent_counts_as_sealed() {
        let version = Version {
            version_id: "source".to_owned(),
            is_latest: true,
            last_modified: SystemTime::UNIX_EPOCH,
            size: 5,
            e_tag: String::new(),
        };
        let stored = StoredFile {
            e_tag: "e".to_owned(),
            size: 5,
            header: Some(header()),
            checksum: Some("checksum".to_owned()),
            source_version: Some("source".to_owned()),
            source_date: Some(SystemTime::UNIX_EPOCH),
            after_delete: None,
        };
        let sent = |e_tag: &str, checksum: &str| Stored {
            e_tag: e_tag.to_owned(),
            version_id: None,
            size: 5,
            header: stored.header.clone().unwrap(),
            checksum: checksum.to_owned(),
        };
        let is_sealed = |stored: &StoredFile| check(&version, stored, Some(&sent("e", "checksum")));
        assert!(is_sealed(&stored));
        let of_another_run = Some(&sent("another", "another"));
        assert!(check(&version, &stored, of_another_run) && check(&version, &stored, None));

        type Change = fn(&mut StoredFile);
        let changes: [(&str, Change); 6] = [
            ("checksum", |it| it.checksum = Some("another".to_owned())),
            ("no checksum", |it| it.checksum = None),
            ("header", |it| it.header = Some(header())),
            ("no header", |it| it.header = None),
            ("length", |it| it.size = 4),
            ("source", |it| it.source_version = None),
        ];
        for (what, change) in changes {
            let mut stored = stored.clone();
            change(&mut stored);
            assert!(!is_sealed(&stored), "{what}");
        }
    }

    #[test]
    fn dates_are_whole_seconds() {
        let date = SystemTime::UNIX_EPOCH + Duration::from_millis(1_234_567);
        assert_eq!(format_date(date), "1234");
        let parsed = parse_date("1234").unwrap();
        assert_eq!(parsed, SystemTime::UNIX_EPOCH + Duration::from_secs(1_234));
        for text in ["", "-1", "1.5", "now", "18446744073709551615"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
