//! One bucket: its folder, and the index of its versions in memory.

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
};

use sha2::{Digest, Sha256};

use super::{
    StoreError,
    blob::{Blob, BlobReader},
    record::{BucketRecord, ObjectRecord, VersionRecord, Versioning},
    upload::Upload,
};
use crate::{disk, random};

/// The version id of the null version.
pub(crate) const NULL_VERSION: &str = "null";

pub(super) const BUCKET_FILE: &str = "bucket.json";
pub(super) const OBJECTS_DIR: &str = "objects";
pub(super) const UPLOADS_DIR: &str = "uploads";

/// Keys in byte order, each with its versions, oldest first.
pub(crate) type Index = BTreeMap<String, Vec<Arc<Version>>>;

/// Uploads in progress, by key and upload id.
pub(crate) type Uploads = BTreeMap<(String, String), Arc<Upload>>;

/// One version of a key, or a delete marker.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) record: VersionRecord,
    pub(crate) blobs: Vec<Arc<Blob>>,
}

impl Version {
    /// The object; None for a delete marker.
    pub(crate) fn object(&self) -> Option<&ObjectRecord> {
        self.record.object.as_ref()
    }

    /// The version id as S3 shows it: `null` for the null version.
    pub(crate) fn id(&self) -> &str {
        self.record.version_id.as_deref().unwrap_or(NULL_VERSION)
    }

    /// Reads a range of the bytes. Blobs in it are compared with their checksums.
    pub(crate) fn reader(&self, range: Range<u64>) -> BlobReader {
        let checksums = self
            .object()
            .into_iter()
            .flat_map(ObjectRecord::blob_checksums);
        BlobReader::new(self.blobs.iter().zip(checksums), range)
    }

    pub(super) fn file_name(&self, place: &Place) -> String {
        format!("{}.{:016x}.json", place.hash, self.record.sequence)
    }
}

/// The place of one key's files.
pub(crate) struct Place {
    objects_dir: PathBuf,
    hash: String,
    shards: Arc<Mutex<HashSet<u8>>>,
    number: u16,
}

impl Place {
    /// A number that is evenly distributed over the keys.
    pub(crate) fn number(&self) -> usize {
        usize::from(self.number)
    }

    /// The folder, created for its first key.
    pub(crate) fn ready_dir(&self) -> io::Result<PathBuf> {
        let dir = self.dir();
        let shard = self.number.to_be_bytes()[0];
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        if !shards.contains(&shard) {
            disk::create_private_dir(&dir)?;
            disk::sync_dir(&self.objects_dir)?;
            shards.insert(shard);
        }
        Ok(dir)
    }

    /// A new file name for bytes.
    pub(crate) fn new_blob_name(&self) -> io::Result<String> {
        Ok(format!("{}.{}.data", self.hash, random::hex::<8>()?))
    }

    pub(super) fn dir(&self) -> PathBuf {
        self.objects_dir
            .join(self.hash.get(..2).unwrap_or_default())
    }
}

/// A bucket and its content.
pub(crate) struct Bucket {
    name: String,
    dir: PathBuf,
    settings: RwLock<BucketRecord>,
    index: RwLock<Index>,
    pub(super) uploads: RwLock<Uploads>,
    /// Records whose removal failed. They go before any other version changes.
    stale: Mutex<Vec<PathBuf>>,
    /// Existing folders: each is created and synchronised once.
    shards: Arc<Mutex<HashSet<u8>>>,
    /// Whether the bucket exists; locked during writes into it.
    exists: RwLock<bool>,
}

impl Bucket {
    /// A bucket whose folder is on disk.
    pub(super) fn new(dir: PathBuf, name: &str, settings: BucketRecord) -> Self {
        Self {
            name: name.to_owned(),
            dir,
            settings: RwLock::new(settings),
            index: RwLock::default(),
            uploads: RwLock::default(),
            stale: Mutex::default(),
            shards: Arc::default(),
            exists: RwLock::new(true),
        }
    }

    /// Creates the folder of a bucket, which appears complete by a rename.
    pub(super) fn create(
        parent: &Path,
        name: &str,
        created_ms: u64,
        versioning: Versioning,
    ) -> Result<Self, StoreError> {
        let settings = BucketRecord {
            created_ms,
            versioning,
            cors: Vec::new(),
        };
        // No bucket name begins with a dot, so the next start recognises leftovers.
        let temporary = parent.join(format!(".{}.{}", random::hex::<8>()?, disk::TEMPORARY));
        disk::create_private_dir(&temporary.join(OBJECTS_DIR))?;
        disk::create_private_dir(&temporary.join(UPLOADS_DIR))?;
        disk::replace_file(&temporary.join(BUCKET_FILE), &to_json(&settings)?)?;
        disk::sync_dir(&temporary)?;
        let dir = parent.join(name);
        fs::rename(&temporary, &dir)?;
        disk::sync_dir(parent)?;
        Ok(Self::new(dir, name, settings))
    }

    /// Removes the folder of an empty bucket.
    pub(super) fn remove(&self, parent: &Path) -> Result<(), StoreError> {
        let mut exists = self.exists.write().unwrap_or_else(PoisonError::into_inner);
        if !self.index().is_empty() {
            return Err(StoreError::BucketNotEmpty);
        }
        let doomed = parent.join(format!(".{}.{}", random::hex::<8>()?, disk::TEMPORARY));
        fs::rename(&self.dir, &doomed)?;
        *exists = false;
        disk::sync_dir(parent)?;
        fs::remove_dir_all(&doomed)?;
        Ok(())
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn uploads_dir(&self) -> PathBuf {
        self.dir.join(UPLOADS_DIR)
    }

    /// The place of a key's files.
    pub(crate) fn place(&self, key: &str) -> Place {
        let hash = Sha256::new()
            .chain_update(&self.name)
            .chain_update("/")
            .chain_update(key);
        let hash = hash.finalize();
        Place {
            objects_dir: self.dir.join(OBJECTS_DIR),
            hash: hex::encode(hash),
            shards: Arc::clone(&self.shards),
            number: u16::from_be_bytes([hash[0], hash[1]]),
        }
    }

    /// Prevents the removal of the bucket during a write.
    pub(super) fn alive(&self) -> Result<RwLockReadGuard<'_, bool>, StoreError> {
        let exists = self.exists.read().unwrap_or_else(PoisonError::into_inner);
        if *exists {
            Ok(exists)
        } else {
            Err(StoreError::NoSuchBucket)
        }
    }

    /// Creation time, versioning and CORS rules.
    pub(crate) fn settings(&self) -> RwLockReadGuard<'_, BucketRecord> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn versioning(&self) -> Versioning {
        self.settings().versioning
    }

    /// Changes the settings, which become visible once they are durable. Blocking.
    pub(crate) fn change_settings(
        &self,
        change: impl FnOnce(&mut BucketRecord),
    ) -> Result<(), StoreError> {
        let _alive = self.alive()?;
        let mut settings = self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mut changed = settings.clone();
        change(&mut changed);
        disk::replace_file(&self.dir.join(BUCKET_FILE), &to_json(&changed)?)?;
        disk::sync_dir(&self.dir)?;
        *settings = changed;
        Ok(())
    }

    /// The index, locked for reading: not across an await.
    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest version, which can be a delete marker.
    pub(crate) fn current(&self, key: &str) -> Option<Arc<Version>> {
        self.index().get(key)?.last().cloned()
    }

    /// The newest version, if it is an object.
    pub(crate) fn current_object(&self, key: &str) -> Option<Arc<Version>> {
        self.current(key)
            .filter(|version| version.object().is_some())
    }

    /// The version with an id (`null` for the null version).
    pub(crate) fn version(&self, key: &str, id: &str) -> Option<Arc<Version>> {
        self.index()
            .get(key)?
            .iter()
            .find(|version| version.id() == id)
            .cloned()
    }

    /// Writes a version's record, which makes it durable and visible.
    pub(super) fn add_version(
        &self,
        record: VersionRecord,
        blobs: Vec<Arc<Blob>>,
    ) -> Result<Arc<Version>, StoreError> {
        self.remove_stale()?;
        let place = self.place(&record.key);
        let dir = place.ready_dir()?;
        let version = Arc::new(Version { record, blobs });
        let path = dir.join(version.file_name(&place));
        disk::replace_file(&path, &to_json(&version.record)?)?;
        if let Err(error) = disk::sync_dir(&dir) {
            // It is refused, so it must not appear at the next start. If it may, it needs its bytes.
            self.stale().push(path);
            if self.remove_stale().is_err() {
                version.blobs.iter().for_each(|blob| blob.keep());
            }
            return Err(error.into());
        }
        version.blobs.iter().for_each(|blob| blob.keep());
        // Now that the new record is durable, the replaced one goes.
        if let Some(replaced) = self.insert(Arc::clone(&version)) {
            self.stale().push(dir.join(replaced.file_name(&place)));
            // If this fails, the next change tries again. The next start prefers the newer one.
            let _ = self.remove_stale();
        }
        Ok(version)
    }

    fn stale(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.stale.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the records that are not in the index, durably.
    fn remove_stale(&self) -> io::Result<()> {
        let mut stale = self.stale();
        while let Some(path) = stale.last() {
            disk::remove_if_present(path)?;
            disk::sync_dir(path.parent().unwrap_or(&self.dir))?;
            stale.pop();
        }
        Ok(())
    }

    /// Writes the record of an object again, with other tags.
    pub(super) fn change_tags(
        &self,
        key: &str,
        id: &str,
        tags: BTreeMap<String, String>,
    ) -> Result<(), StoreError> {
        let version = self.version(key, id).ok_or(StoreError::NoSuchKey)?;
        let mut record = version.record.clone();
        let object = record.object.as_mut().ok_or(StoreError::NoSuchKey)?;
        object.attributes.tags = tags;
        let place = self.place(key);
        let path = place.dir().join(version.file_name(&place));
        disk::replace_file(&path, &to_json(&record)?)?;
        let changed = Arc::new(Version {
            record,
            blobs: version.blobs.clone(),
        });
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let mut versions = index.get_mut(key).into_iter().flatten();
        if let Some(place) = versions.find(|other| Arc::ptr_eq(other, &version)) {
            *place = changed;
        }
        drop(index);
        Ok(disk::sync_dir(&place.dir())?)
    }

    /// Removes a version's record (None: the null version), then its bytes.
    pub(super) fn remove_version(
        &self,
        key: &str,
        id: Option<&str>,
    ) -> Result<Option<Arc<Version>>, StoreError> {
        let Some(version) = self.version(key, id.unwrap_or(NULL_VERSION)) else {
            return Ok(None);
        };
        self.remove_stale()?;
        let place = self.place(key);
        let dir = place.dir();
        disk::remove_if_present(&dir.join(version.file_name(&place)))?;
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(versions) = index.get_mut(key) {
            versions.retain(|other| !Arc::ptr_eq(other, &version));
            if versions.is_empty() {
                index.remove(key);
            }
        }
        drop(index);
        // Until the removal is durable, a crash can bring back the record, which needs its bytes.
        disk::sync_dir(&dir)?;
        version.blobs.iter().for_each(|blob| blob.doom());
        Ok(Some(version))
    }

    /// Adds a version to the index. A null version replaces the older one, which is returned.
    pub(super) fn insert(&self, version: Arc<Version>) -> Option<Arc<Version>> {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let versions = index.entry(version.record.key.clone()).or_default();
        let same = match version.record.version_id {
            None => versions
                .iter()
                .position(|other| other.record.version_id.is_none()),
            Some(_) => None,
        };
        let displaced = same.map(|at| versions.remove(at));
        let at = versions.partition_point(|o| o.record.sequence < version.record.sequence);
        versions.insert(at, version);
        drop(index);
        if let Some(displaced) = &displaced {
            displaced.blobs.iter().for_each(|blob| blob.doom());
        }
        displaced
    }
}

/// A record as indented JSON, so that people can repair it.
pub(super) fn to_json<T: serde::Serialize>(record: &T) -> io::Result<Vec<u8>> {
    serde_json::to_vec_pretty(record).map_err(io::Error::other)
}
