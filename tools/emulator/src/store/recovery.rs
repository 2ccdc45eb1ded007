//! Reads a data folder at start, and removes what was never acknowledged.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, atomic::AtomicU64},
    thread,
};

use tokio_util::task::TaskTracker;

use super::{
    LOCKS, Store,
    blob::Blob,
    bucket::{BUCKET_FILE, Bucket, OBJECTS_DIR, UPLOADS_DIR, Version},
    record::{BucketRecord, PartRecord, UploadRecord, VersionRecord},
    upload::{Part, UPLOAD_FILE, Upload},
};
use crate::{
    disk::{self, TEMPORARY},
    folder_lock::FolderLock,
};

/// Threads that read records.
const READERS: usize = 8;

impl Store {
    /// Opens the folder of all buckets, creating it if needed. Blocking.
    pub(crate) fn open(dir: PathBuf, folder_lock: Arc<FolderLock>) -> io::Result<Self> {
        disk::create_private_dir(&dir).map_err(disk::at(&dir))?;
        let mut buckets = BTreeMap::new();
        let mut newest = 0;
        for (name, path) in entries(&dir)? {
            match name.split('.').collect::<Vec<_>>()[..] {
                ["", random, TEMPORARY] if is_hex(random, 16) => {
                    fs::remove_dir_all(&path).map_err(disk::at(&path))?;
                }
                _ if is_bucket(&name, &path) => {
                    let (bucket, sequence) = read_bucket(&path, &name)?;
                    newest = newest.max(sequence);
                    buckets.insert(name, Arc::new(bucket));
                }
                _ => ignore(&path),
            }
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

/// A folder with objects but without its settings is a damaged bucket.
fn is_bucket(name: &str, path: &Path) -> bool {
    s3s::path::check_bucket_name(name)
        && (path.join(BUCKET_FILE).exists() || path.join(OBJECTS_DIR).exists())
}

/// Reads one bucket and returns it with the highest sequence in it.
fn read_bucket(dir: &Path, name: &str) -> io::Result<(Bucket, u64)> {
    let record: BucketRecord = disk::read_json(&dir.join(BUCKET_FILE))?;
    let bucket = Bucket::new(dir.to_owned(), name, record);
    // Every record is read before anything is removed.
    let mut found = read_shards(&bucket, &dir.join(OBJECTS_DIR))?;
    for (name, path) in entries(&dir.join(UPLOADS_DIR))? {
        read_upload(&bucket, name, path, &mut found)?;
    }
    let orphans = found.data.into_iter();
    let orphans = orphans.filter(|(name, _)| !found.named.contains(name));
    let orphans = orphans.map(|(_, path)| path);
    for path in found.leftovers.into_iter().chain(orphans) {
        let removed = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.map_err(disk::at(&path))?;
    }
    Ok((bucket, found.newest))
}

/// Findings while reading a bucket.
#[derive(Default)]
struct Found {
    newest: u64,
    /// Files named by records.
    named: HashSet<String>,
    /// Files with bytes, by name.
    data: HashMap<String, PathBuf>,
    /// Completed multipart uploads.
    completed: HashSet<String>,
    /// Temporary files, replaced null versions, finished uploads.
    leftovers: Vec<PathBuf>,
}

impl Found {
    fn merge(mut self, other: Self) -> Self {
        self.newest = self.newest.max(other.newest);
        self.named.extend(other.named);
        self.data.extend(other.data);
        self.completed.extend(other.completed);
        self.leftovers.extend(other.leftovers);
        self
    }
}

/// Reads all versions into the index. All versions of a key are in one shard.
fn read_shards(bucket: &Bucket, dir: &Path) -> io::Result<Found> {
    let (shards, others): (Vec<_>, Vec<_>) = entries(dir)?
        .into_iter()
        .partition(|(name, _)| is_hex(name, 2));
    others.iter().for_each(|(_, path)| ignore(path));
    // With a cold cache, nearly all the time is waiting for the disk.
    let share = shards.len().div_ceil(READERS).max(1);
    thread::scope(|scope| {
        let read = |shards: &[(String, PathBuf)]| {
            let mut found = Found::default();
            let mut shards = shards.iter();
            shards.try_for_each(|(_, shard)| read_shard(bucket, shard, &mut found))?;
            Ok(found)
        };
        let readers = shards.chunks(share);
        let readers: Vec<_> = readers
            .map(|share| scope.spawn(move || read(share)))
            .collect();
        let found = readers.into_iter().map(|reader| {
            let panicked = |_| Err(io::Error::other("a thread that reads records panicked"));
            reader.join().unwrap_or_else(panicked)
        });
        found
            .reduce(|all, found| Ok(all?.merge(found?)))
            .unwrap_or_else(|| Ok(Found::default()))
    })
}

fn read_shard(bucket: &Bucket, dir: &Path, found: &mut Found) -> io::Result<()> {
    for (name, path) in entries(dir)? {
        match name.split('.').collect::<Vec<_>>()[..] {
            [hash, number, ref kind @ ..] if is_hex(hash, 64) && is_hex(number, 16) => match kind {
                ["data"] => {
                    found.data.insert(name, path);
                }
                ["json"] => {
                    let record: VersionRecord = disk::read_json(&path)?;
                    found.newest = found.newest.max(record.sequence);
                    let recorded = record.object.iter().flat_map(|object| &object.blobs);
                    let blobs = recorded.map(|b| Arc::new(Blob::kept(dir.join(&b.file), b.size)));
                    let version = Arc::new(Version {
                        blobs: blobs.collect(),
                        record,
                    });
                    add(bucket, version, found);
                }
                ["json", TEMPORARY] => found.leftovers.push(path),
                _ => ignore(&path),
            },
            _ => ignore(&path),
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

fn read_upload(bucket: &Bucket, id: String, dir: PathBuf, found: &mut Found) -> io::Result<()> {
    let (stem, extension) = id.split_once('.').unwrap_or((&id, ""));
    if !is_hex(stem, 64) || !["", TEMPORARY].contains(&extension) {
        ignore(&dir);
        return Ok(());
    }
    // A rename creates the folder of an upload, so its record exists.
    if extension == TEMPORARY || found.completed.contains(&id) {
        found.leftovers.push(dir);
        return Ok(());
    }
    let record: UploadRecord = disk::read_json(&dir.join(UPLOAD_FILE))?;
    found.newest = found
        .newest
        .max(record.beginning.sequence.unwrap_or_default());
    let place = bucket.place(&record.key);
    let mut parts = BTreeMap::new();
    for (name, path) in entries(&dir)? {
        let (stem, extension) = name.split_once('.').unwrap_or((&name, ""));
        match extension {
            "json.tmp" => found.leftovers.push(path),
            _ if name == UPLOAD_FILE => {}
            "json" if is_hex(stem, 5) => {
                let part: PartRecord = disk::read_json(&path)?;
                // The bytes are gone if the upload ended, but its folder came back after a crash.
                if found.data.contains_key(&part.blob.file) {
                    found.named.insert(part.blob.file.clone());
                    let path = place.dir().join(&part.blob.file);
                    let blob = Arc::new(Blob::kept(path, part.blob.size));
                    parts.insert(part.number, Part { record: part, blob });
                }
            }
            _ => ignore(&path),
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

/// Whether this is a name of ours: `digits` lower-case hex digits.
fn is_hex(text: &str, digits: usize) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == digits && text.bytes().all(is_digit)
}

/// Leaves alone what somebody else put into the folder.
fn ignore(path: &Path) {
    tracing::warn!(path = %path.display(), "not a file of the emulator, ignored");
}

/// The names in a folder, and their paths. Ours are UTF-8.
fn entries(dir: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let entries = fs::read_dir(dir).map_err(disk::at(dir))?;
    let named = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, entry.path())
    };
    entries
        .map(|entry| entry.map(named).map_err(disk::at(dir)))
        .collect()
}
