//! Multipart uploads in progress.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

use super::{
    NewObject, Store, StoreError,
    bucket::{Bucket, Uploads, Version, to_json},
    precondition::Precondition,
    record::{Beginning, UploadRecord},
    upload::{Part, Parts, UPLOAD_FILE, Upload},
};
use crate::{disk, random};

impl Store {
    /// Begins an upload.
    pub(crate) async fn create_upload(
        &self,
        bucket: &Arc<Bucket>,
        mut record: UploadRecord,
    ) -> Result<Arc<Upload>, StoreError> {
        let bucket = Arc::clone(bucket);
        record.beginning = Beginning {
            existed: bucket.current_object(&record.key).is_some(),
            sequence: Some(self.next_sequence()),
        };
        self.run(move || {
            let _alive = bucket.alive()?;
            let id = random::hex::<32>()?;
            let parent = bucket.uploads_dir();
            let dir = parent.join(&id);
            let temporary = parent.join(format!("{id}.{}", disk::TEMPORARY));
            disk::create_private_dir(&temporary)?;
            disk::replace_file(&temporary.join(UPLOAD_FILE), &to_json(&record)?)?;
            disk::sync_dir(&temporary)?;
            fs::rename(&temporary, &dir)?;
            if let Err(error) = disk::sync_dir(&parent) {
                // Best effort: nobody knows the id of this upload.
                let _ = fs::remove_dir_all(&dir);
                return Err(error.into());
            }
            let key = (record.key.clone(), id.clone());
            let upload = Arc::new(Upload::new(id, dir, record, BTreeMap::new()));
            bucket.uploads_mut(|uploads| uploads.insert(key, Arc::clone(&upload)));
            Ok(upload)
        })
        .await
    }

    /// Adds a part, which replaces one with the same number.
    pub(crate) async fn add_part(
        &self,
        bucket: &Arc<Bucket>,
        upload: &Arc<Upload>,
        part: Part,
    ) -> Result<(), StoreError> {
        let mut parts = upload.parts().await?;
        let (bucket, upload) = (Arc::clone(bucket), Arc::clone(upload));
        self.run(move || {
            let _alive = bucket.alive()?;
            disk::sync_dir(&bucket.place(&upload.record.key).dir())?;
            let number = part.record.number;
            let path = upload.dir.join(format!("{number:05}.json"));
            disk::replace_file(&path, &to_json(&part.record)?)?;
            part.blob.keep();
            let replaced = parts.by_number.insert(number, part);
            // Until the record is durable, a crash can bring back the old one, which needs its bytes.
            disk::sync_dir(&upload.dir)?;
            if let Some(replaced) = replaced {
                replaced.blob.doom();
            }
            Ok(())
        })
        .await
    }

    /// Makes an object of the parts. The version takes over their files, so no byte is copied.
    ///
    /// `parts` is still locked from the check, so they have not changed since.
    pub(crate) async fn complete_upload(
        self: &Arc<Self>,
        bucket: &Arc<Bucket>,
        upload: &Arc<Upload>,
        mut parts: OwnedMutexGuard<Parts>,
        precondition: Precondition,
        object: NewObject,
    ) -> Result<Arc<Version>, StoreError> {
        let lock = self.lock(bucket, &upload.record.key).await;
        let store = Arc::clone(self);
        let (bucket, upload) = (Arc::clone(bucket), Arc::clone(upload));
        self.run(move || {
            let current = bucket.current_object(&upload.record.key);
            let current = current.as_deref().map(|version| &version.record);
            if precondition.conflicts(&upload.record.beginning, current) {
                return Err(StoreError::Conflict);
            }
            let version = store.commit(&bucket, &upload.record.key, &precondition, object)?;
            drop(lock);
            let used = |part: &Part| version.blobs.iter().any(|b| Arc::ptr_eq(b, &part.blob));
            // If this fails, the next start ends the upload, because the version names it.
            let _ = fs::rename(&upload.dir, upload.retired_dir())
                .and_then(|()| disk::sync_dir(&bucket.uploads_dir()));
            close(&bucket, &upload, &mut parts, used);
            Ok(version)
        })
        .await
    }

    /// Removes an upload and its parts.
    pub(crate) async fn abort_upload(
        &self,
        bucket: &Arc<Bucket>,
        upload: &Arc<Upload>,
    ) -> Result<(), StoreError> {
        let mut parts = upload.parts().await?;
        let (bucket, upload) = (Arc::clone(bucket), Arc::clone(upload));
        self.run(move || {
            let _alive = bucket.alive()?;
            fs::rename(&upload.dir, upload.retired_dir())?;
            let synced = disk::sync_dir(&bucket.uploads_dir());
            close(&bucket, &upload, &mut parts, |_| false);
            Ok(synced?)
        })
        .await
    }
}

impl Bucket {
    /// Finds an upload of a key.
    pub(crate) fn upload(&self, key: &str, id: &str) -> Result<Arc<Upload>, StoreError> {
        let uploads = self.uploads.read().unwrap_or_else(PoisonError::into_inner);
        let upload = uploads.get(&(key.to_owned(), id.to_owned()));
        upload.cloned().ok_or(StoreError::NoSuchUpload)
    }

    /// All uploads, by key and then by upload id.
    pub(crate) fn uploads(&self) -> Vec<Arc<Upload>> {
        let uploads = self.uploads.read().unwrap_or_else(PoisonError::into_inner);
        uploads.values().cloned().collect()
    }

    fn uploads_mut<T>(&self, change: impl FnOnce(&mut Uploads) -> T) -> T {
        change(&mut self.uploads.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Ends an upload whose folder has been renamed, and removes unused parts.
fn close(bucket: &Bucket, upload: &Upload, parts: &mut Parts, used: impl Fn(&Part) -> bool) {
    parts.closed = true;
    for part in std::mem::take(&mut parts.by_number).into_values() {
        if !used(&part) {
            part.blob.doom();
        }
    }
    let key = (upload.record.key.clone(), upload.id.clone());
    bucket.uploads_mut(|uploads| uploads.remove(&key));
    // Best effort: the next start removes leftovers.
    let _ = fs::remove_dir_all(upload.retired_dir());
}
