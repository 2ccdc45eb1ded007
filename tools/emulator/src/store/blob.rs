//! Files with the bytes of objects: written once under a random name, then never changed.
//!
//! Until a record names a blob, and after its version has been removed, the blob is doomed: its last
//! owner removes the file. Readers are owners, so an object can be overwritten or deleted during a
//! download.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use futures::stream::{self, Stream};

use super::checksum::{Algorithm, Comparison, Digests, Hashes};
use crate::disk;

/// Bytes per read.
const CHUNK: usize = 256 * 1024;

/// A file with bytes of one object.
#[derive(Debug)]
pub(crate) struct Blob {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    doomed: AtomicBool,
}

impl Blob {
    /// A blob named by a record.
    pub(crate) fn kept(path: PathBuf, size: u64) -> Self {
        Self {
            path,
            size,
            doomed: AtomicBool::new(false),
        }
    }

    /// The file's name within the folder of its key.
    pub(crate) fn file_name(&self) -> String {
        self.path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    /// Marks it as named by a record.
    pub(crate) fn keep(&self) {
        self.doomed.store(false, Ordering::Release);
    }

    /// Marks it as no longer named: its last owner removes the file.
    pub(crate) fn doom(&self) {
        self.doomed.store(true, Ordering::Release);
    }
}

impl Drop for Blob {
    fn drop(&mut self) {
        if self.doomed.load(Ordering::Acquire) {
            // Best effort: the next start removes leftovers.
            let _ = disk::remove_if_present(&self.path);
        }
    }
}

/// Writes and hashes one blob. Blocking.
pub(crate) struct BlobWriter {
    // Dropped first: Windows cannot remove an open file.
    file: File,
    blob: Blob,
    hashes: Hashes,
}

impl BlobWriter {
    pub(crate) fn create(path: PathBuf, hashes: Hashes) -> io::Result<Self> {
        let file = disk::create_private_file(&path)?;
        let blob = Blob {
            path,
            size: 0,
            doomed: AtomicBool::new(true),
        };
        Ok(Self { file, blob, hashes })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hashes.update(bytes);
        self.file.write_all(bytes)?;
        self.blob.size += bytes.len() as u64;
        Ok(())
    }

    /// Makes the bytes durable. The blob stays doomed until [`keep`](Blob::keep).
    pub(crate) fn finish(self) -> io::Result<(Blob, Digests)> {
        self.file.sync_all()?;
        Ok((self.blob, self.hashes.finish()))
    }
}

/// Reads a range of the concatenation of several blobs, chunk by chunk.
///
/// A blob that is read from start to end is compared with its checksum before its last chunk is out.
pub(crate) struct BlobReader {
    blobs: std::vec::IntoIter<Wanted>,
    open: Option<Open>,
}

/// A range of a blob that has not been opened yet.
struct Wanted {
    blob: Arc<Blob>,
    range: Range<u64>,
    comparison: Option<Comparison>,
}

/// A blob that is being read.
struct Open {
    /// Keeps the file.
    _blob: Arc<Blob>,
    file: File,
    left: u64,
    comparison: Option<Comparison>,
}

impl BlobReader {
    /// `range` must be within the sum of the sizes.
    pub(crate) fn new<'a>(
        blobs: impl Iterator<Item = (&'a Arc<Blob>, Option<(Algorithm, &'a str)>)>,
        range: Range<u64>,
    ) -> Self {
        let mut wanted = Vec::new();
        let mut start = 0;
        for (blob, checksum) in blobs {
            let end = start + blob.size;
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                let checksum = checksum.filter(|_| from == start && to == end);
                wanted.push(Wanted {
                    blob: Arc::clone(blob),
                    range: from - start..to - start,
                    comparison: checksum
                        .map(|(algorithm, value)| Comparison::new(algorithm, value.to_owned())),
                });
            }
            start = end;
        }
        Self {
            blobs: wanted.into_iter(),
            open: None,
        }
    }

    /// The next bytes, or None at the end. Fails when a file is not as recorded.
    pub(crate) fn next_chunk(&mut self) -> io::Result<Option<Bytes>> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => match self.blobs.next() {
                Some(wanted) => wanted.open()?,
                None => return Ok(None),
            },
        };
        let length = usize::try_from(open.left).map_or(CHUNK, |left| left.min(CHUNK));
        let mut chunk = vec![0; length];
        open.file.read_exact(&mut chunk)?;
        open.left -= length as u64;
        if let Some(comparison) = &mut open.comparison {
            comparison.update(&chunk);
        }
        if open.left > 0 {
            self.open = Some(open);
        } else if open
            .comparison
            .is_some_and(|comparison| !comparison.holds())
        {
            return Err(damaged("a stored file does not have its recorded checksum"));
        }
        Ok(Some(chunk.into()))
    }

    /// Reads the first chunk, so that a missing file is found before the response begins.
    pub(crate) fn open_first(mut self) -> io::Result<(Option<Bytes>, Self)> {
        let first = self.next_chunk()?;
        Ok((first, self))
    }

    /// The bytes as a stream, read on blocking threads.
    pub(crate) fn into_stream(
        self,
        first: Option<Bytes>,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static {
        stream::unfold(Some((self, first)), |state| async move {
            let (mut reader, first) = state?;
            if let Some(first) = first {
                return Some((Ok(first), Some((reader, None))));
            }
            let read = tokio::task::spawn_blocking(move || {
                let chunk = reader.next_chunk();
                (reader, chunk)
            });
            match read.await {
                Ok((_, Ok(None))) => None,
                Ok((reader, Ok(Some(chunk)))) => Some((Ok(chunk), Some((reader, None)))),
                Ok((_, Err(error))) => Some((Err(log(error)), None)),
                Err(error) => Some((Err(log(io::Error::other(error))), None)),
            }
        })
    }
}

impl Wanted {
    fn open(self) -> io::Result<Open> {
        let mut file = File::open(&self.blob.path)?;
        if file.metadata()?.len() != self.blob.size {
            return Err(damaged("a stored file does not have its recorded size"));
        }
        file.seek(SeekFrom::Start(self.range.start))?;
        Ok(Open {
            _blob: self.blob,
            file,
            left: self.range.end - self.range.start,
            comparison: self.comparison,
        })
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The response has begun, so only the log can say why it ends early.
fn log(error: io::Error) -> io::Error {
    tracing::error!(cause = %error, "reading an object failed");
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(dir: &std::path::Path, name: &str, bytes: &[u8]) -> Arc<Blob> {
        let mut writer = BlobWriter::create(dir.join(name), Hashes::new(&[])).unwrap();
        writer.write(bytes).unwrap();
        Arc::new(writer.finish().unwrap().0)
    }

    #[test]
    fn a_range_over_several_blobs() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = [b"abc".as_slice(), b"", b"defgh", b"i"];
        let all = blobs.concat();
        let blobs: Vec<_> = blobs
            .iter()
            .zip(["1", "2", "3", "4"])
            .map(|(b, n)| written(dir.path(), n, b))
            .collect();
        for start in 0..=all.len() {
            for end in start..=all.len() {
                let unchecked = blobs.iter().map(|blob| (blob, None));
                let mut reader = BlobReader::new(unchecked, start as u64..end as u64);
                let mut read = Vec::new();
                while let Some(chunk) = reader.next_chunk().unwrap() {
                    read.extend_from_slice(&chunk);
                }
                assert_eq!(read, &all[start..end]);
            }
        }
    }

    #[test]
    fn a_doomed_blob_lives_as_long_as_its_reader() {
        let dir = tempfile::tempdir().unwrap();
        let blob = written(dir.path(), "blob", b"content");
        let path = blob.path.clone();
        let mut reader = BlobReader::new([(&blob, None)].into_iter(), 0..7);
        drop(blob);
        assert_eq!(reader.next_chunk().unwrap().unwrap(), "content");
        drop(reader);
        assert!(!path.exists());
    }
}
