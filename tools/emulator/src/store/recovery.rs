//! Reads a data folder at start, and removes what was never acknowledged.

use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, atomic::AtomicU64},
};

use serde::de::DeserializeOwned;
use tokio_util::task::TaskTracker;

use super::{
    LOCKS, Store,
    blob::Blob,
    bucket::{BUCKET_FILE, Bucket, OBJECTS_DIR, UPLOADS_DIR, Version},
    record::{BucketRecord, PartRecord, UploadRecord, VersionRecord},
    upload::{Part, UPLOAD_FILE, Upload},
};
use crate::disk;

/// Why a data folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoveryError {
    /// The disk failed.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// A record is damaged. Nothing was changed, because recovery would remove the bytes that it names.
    #[error("{}: not a record of this emulator: {source}", path.display())]
    Damaged {
        path: PathBuf,
        source: serde_json::Error,
    },
}

type Result<T> = std::result::Result<T, RecoveryError>;

impl Store {
    /// Opens the folder of all buckets, creating it if needed. Blocking.
    pub(crate) fn open(dir: PathBuf, folder_lock: Arc<File>) -> Result<Self> {
        disk::create_private_dir(&dir).map_err(at(&dir))?;
        let mut buckets = BTreeMap::new();
        let mut newest = 0;
        for entry in entries(&dir)? {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            if name.starts_with('.') {
                fs::remove_dir_all(&path).map_err(at(&path))?;
                continue;
            }
            let (bucket, sequence) = read_bucket(&path, &name)?;
            newest = newest.max(sequence);
            buckets.insert(name, Arc::new(bucket));
        }
        Ok(Self {
            dir,
            buckets: RwLock::new(buckets),
            locks: (0..LOCKS).map(|_| Arc::default()).collect(),
            sequence: AtomicU64::new(newest),
            tasks: TaskTracker::new(),
            listeners: std::sync::Mutex::default(),
            _folder_lock: folder_lock,
        })
    }
}

/// Reads one bucket and returns it with the highest sequence in it.
fn read_bucket(dir: &Path, name: &str) -> Result<(Bucket, u64)> {
    let record: BucketRecord = read_json(&dir.join(BUCKET_FILE))?;
    let bucket = Bucket::new(dir.to_owned(), name, record);
    let mut found = Found::default();
    // Every record is read before anything is removed.
    for shard in entries(&dir.join(OBJECTS_DIR))? {
        read_shard(&bucket, &shard.path(), &mut found)?;
    }
    for entry in entries(&dir.join(UPLOADS_DIR))? {
        read_upload(&bucket, &entry, &mut found)?;
    }
    let orphans = found.data.into_iter().filter(|path| {
        !path
            .file_name()
            .is_some_and(|name| found.named.contains(&*name.to_string_lossy()))
    });
    for path in found.leftovers.into_iter().chain(orphans) {
        let removed = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.map_err(at(&path))?;
    }
    Ok((bucket, found.newest))
}

/// Findings while reading a bucket.
#[derive(Default)]
struct Found {
    newest: u64,
    /// Files named by records.
    named: HashSet<String>,
    /// Files with bytes.
    data: Vec<PathBuf>,
    /// Completed multipart uploads.
    completed: HashSet<String>,
    /// Temporary files, replaced null versions, finished uploads.
    leftovers: Vec<PathBuf>,
}

fn read_shard(bucket: &Bucket, dir: &Path, found: &mut Found) -> Result<()> {
    for entry in entries(dir)? {
        let path = entry.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("data") => found.data.push(path),
            Some("json") => {
                let record: VersionRecord = read_json(&path)?;
                found.newest = found.newest.max(record.sequence);
                let recorded = record.object.iter().flat_map(|object| &object.blobs);
                let blobs = recorded.map(|b| Arc::new(Blob::kept(dir.join(&b.file), b.size)));
                let version = Arc::new(Version {
                    blobs: blobs.collect(),
                    record,
                });
                add(bucket, version, found);
            }
            _ if is_temporary(&path) => found.leftovers.push(path),
            _ => {}
        }
    }
    Ok(())
}

/// Adds a version to the index. Of two null versions, which a crash can leave, the newer one wins.
fn add(bucket: &Bucket, version: Arc<Version>, found: &mut Found) {
    let place = bucket.place(&version.record.key);
    let older_null = match version.record.version_id {
        None => bucket.version(&version.record.key, super::bucket::NULL_VERSION),
        Some(_) => None,
    };
    let superseded = match older_null {
        Some(other) if other.record.sequence > version.record.sequence => Some(version),
        _ => {
            name_files(&version, found);
            bucket.insert(version)
        }
    };
    if let Some(superseded) = superseded {
        for blob in &superseded.blobs {
            // Its file must stay until everything has been read.
            blob.keep();
            found.named.remove(&blob.file_name());
        }
        found
            .leftovers
            .push(place.dir().join(superseded.file_name(&place)));
    }
}

fn name_files(version: &Version, found: &mut Found) {
    found
        .named
        .extend(version.blobs.iter().map(|blob| blob.file_name()));
    found
        .completed
        .extend(version.object().and_then(|object| object.upload_id.clone()));
}

fn read_upload(bucket: &Bucket, entry: &fs::DirEntry, found: &mut Found) -> Result<()> {
    let dir = entry.path();
    let id = entry.file_name().to_string_lossy().into_owned();
    // A rename creates the folder of an upload, so its record exists.
    if is_temporary(&dir) || found.completed.contains(&id) {
        found.leftovers.push(dir);
        return Ok(());
    }
    let record: UploadRecord = read_json(&dir.join(UPLOAD_FILE))?;
    let place = bucket.place(&record.key);
    let mut parts = BTreeMap::new();
    for entry in entries(&dir)? {
        let path = entry.path();
        if is_temporary(&path) {
            found.leftovers.push(path);
        } else if entry.file_name() != UPLOAD_FILE {
            let part: PartRecord = read_json(&path)?;
            found.named.insert(part.blob.file.clone());
            let blob = Arc::new(Blob::kept(
                place.dir().join(&part.blob.file),
                part.blob.size,
            ));
            parts.insert(part.number, Part { record: part, blob });
        }
    }
    let key = (record.key.clone(), id.clone());
    let mut uploads = bucket
        .uploads
        .write()
        .unwrap_or_else(PoisonError::into_inner);
    uploads.insert(key, Arc::new(Upload::new(id, dir, record, parts)));
    Ok(())
}

fn is_temporary(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == disk::TEMPORARY)
}

fn entries(dir: &Path) -> Result<Vec<fs::DirEntry>> {
    let read = fs::read_dir(dir).and_then(Iterator::collect);
    read.map_err(at(dir))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = fs::read(path).map_err(at(path))?;
    serde_json::from_slice(&bytes).map_err(|source| RecoveryError::Damaged {
        path: path.to_owned(),
        source,
    })
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> RecoveryError {
    let path = path.to_owned();
    |source| RecoveryError::Io { path, source }
}
