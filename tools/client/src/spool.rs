//! Data of unknown length, kept until they are uploaded: an upload begins with its length.

use std::{
    fs::File,
    io::{self, Read, Write},
    sync::Arc,
};

use caas_crypto::{
    ContentKey,
    stored::{AAD, BodyOpener, Grant, IV},
};
use zeroize::Zeroizing;

/// How much is encrypted at a time, in bytes.
const CHUNK: usize = 256 << 10;

/// What a reader gave, in a temporary file without a name. The file is encrypted under a key that only
/// this process has. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Spool(Arc<Spooled>);

#[derive(Debug)]
struct Spooled {
    /// One message, in the format of the body of a stored object.
    file: File,
    size: u64,
    key: Grant,
}

impl Spool {
    /// Reads everything from `reader`. Blocks.
    ///
    /// # Errors
    /// `reader` fails, the temporary file cannot be written, there are more than 64 GiB, or no
    /// randomness is available.
    pub fn read(mut reader: impl Read) -> io::Result<Self> {
        let key = ContentKey::generate().map_err(io::Error::other)?;
        let same = ContentKey::try_from(key.expose().as_slice()).map_err(io::Error::other)?;
        let grant = |key| Grant::received(key, &IV, &AAD).map_err(io::Error::other);
        let mut sealer = grant(same)?.into_sealer();
        let mut file = tempfile::tempfile()?;
        let mut chunk = Zeroizing::new(Vec::with_capacity(CHUNK));
        let mut size = 0;
        loop {
            chunk.clear();
            let len = (&mut reader).take(CHUNK as u64).read_to_end(&mut chunk)?;
            let sealed = sealer.update(&mut chunk);
            sealed.map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
            file.write_all(&chunk)?;
            size += len as u64;
            if len < CHUNK {
                break;
            }
        }
        file.write_all(&sealer.finish())?;
        let key = grant(key)?;
        Ok(Self(Arc::new(Spooled { file, size, key })))
    }

    /// The length of what was read, in bytes.
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// Reads it again.
    pub(crate) fn reader(&self) -> SpoolReader {
        SpoolReader {
            opener: Some(self.0.key.opener()),
            spool: self.clone(),
            offset: 0,
            sealed: vec![0; CHUNK],
            opened: Zeroizing::new(Vec::new()),
            taken: 0,
        }
    }
}

/// Reads what was spooled. Only after it has returned the end, all of it is verified.
pub(crate) struct SpoolReader {
    spool: Spool,
    /// `None` at the end.
    opener: Option<BodyOpener>,
    /// Readers share the file, and each has its own place.
    offset: u64,
    sealed: Vec<u8>,
    opened: Zeroizing<Vec<u8>>,
    /// How much of `opened` was read.
    taken: usize,
}

impl Read for SpoolReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.opened.len() {
            let Some(opener) = &mut self.opener else {
                return Ok(0);
            };
            let len = read_at(&self.spool.0.file, &mut self.sealed, self.offset)?;
            self.offset += len as u64;
            self.opened.clear();
            self.taken = 0;
            let opened = match len {
                0 => self.opener.take().map_or(Ok(()), BodyOpener::finish),
                len => opener.update(&self.sealed[..len], &mut self.opened),
            };
            opened.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
        let rest = &self.opened[self.taken..];
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        self.taken += len;
        Ok(len)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom};

    use super::*;

    #[test]
    fn what_was_spooled_is_read_again_and_again() {
        for len in [0, 1, 15, 16, 17, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let content: Vec<u8> = (0..len).map(|i| (i * 7 / 5) as u8).collect();
            let spool = Spool::read(&content[..]).unwrap();
            assert_eq!(spool.size(), len as u64);
            let (mut one, mut other) = (spool.reader(), spool.reader());
            let mut half = vec![0; len / 2];
            one.read_exact(&mut half).unwrap();
            let mut all = Vec::new();
            other.read_to_end(&mut all).unwrap();
            one.read_to_end(&mut half).unwrap();
            assert!(all == content && half == content, "{len}");
        }
    }

    #[test]
    fn the_file_is_encrypted_and_a_change_is_noticed() {
        let content = [b'a'; 1_000];
        let spool = Spool::read(&content[..]).unwrap();
        let mut file = &spool.0.file;
        let mut sealed = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut sealed).unwrap();
        assert_eq!(sealed.len(), content.len() + 16);
        assert!(!sealed.windows(4).any(|part| part == b"aaaa"));
        for changed in [0, 500, 999, 1_015] {
            file.seek(SeekFrom::Start(changed)).unwrap();
            file.write_all(&[!sealed[changed as usize]]).unwrap();
            let read = spool.reader().read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(read.kind(), io::ErrorKind::InvalidData, "{changed}");
            file.seek(SeekFrom::Start(0)).unwrap();
            file.write_all(&sealed).unwrap();
        }
        spool.0.file.set_len(100).unwrap();
        assert!(spool.reader().read_to_end(&mut Vec::new()).is_err());
    }
}
