//! What has arrived of a download: `<destination>.part`.
//!
//! It holds ciphertext only: first a header of [`HEADER`] bytes (a JSON object, then spaces), then one
//! byte for each range, `1` if it has arrived, and from [`BODY`] on the object. While ranges arrive,
//! they are opened into `<destination>.part.open`, which is removed unless the tag of the whole is
//! right, and then renamed. Nothing here is trusted: if the part file is damaged, the tag does not fit,
//! and the download begins anew.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, Sender},
    },
};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use caas_crypto::stored::Grant;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempPath};
use tokio::sync::{mpsc, oneshot};

use crate::{DownloadError, download::SyncedFile};

/// The length of a range in bytes, except that the last may be shorter.
pub(crate) const RANGE: u64 = 8 << 20;

const HEADER: u64 = 4 << 10;

/// 64 GiB and a tag have 8,193 ranges at most.
const BODY: u64 = 16 << 10;

/// How much is opened at a time, in bytes.
const CHUNK: usize = 1 << 20;

/// Which version of which file a part file belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Version {
    /// SHA-256 of the service's URL and the file's id.
    pub(crate) file: String,
    pub(crate) etag: String,
    /// Length of the object, tag included.
    pub(crate) total: u64,
}

impl Version {
    /// The hash of a file's id at the service with this URL.
    pub(crate) fn file(service: &str, id: &str) -> String {
        let digest = Sha256::new().chain_update(service).chain_update("\0");
        BASE64_STANDARD.encode(digest.chain_update(id).finalize())
    }

    /// How many ranges the object has.
    pub(crate) fn ranges(&self) -> u64 {
        self.total.div_ceil(RANGE)
    }
}

/// A piece of the object on its way to the file.
pub(crate) enum Piece {
    /// Bytes from this offset on.
    Bytes(u64, Bytes),
    /// All of this range has been handed over. Tells when that is recorded.
    Arrived(u64, oneshot::Sender<()>),
}

/// An open part file. Nobody else can open it meanwhile.
#[derive(Debug)]
pub(crate) struct PartFile {
    /// Its position belongs to whoever holds it.
    file: Mutex<File>,
    path: PathBuf,
}

impl PartFile {
    /// Opens the part file of a destination, or creates it, and returns what its header says.
    pub(crate) fn open(destination: &Path) -> Result<(Self, Option<Version>), DownloadError> {
        let path = with_suffix(destination, ".part");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let is_other = fs::symlink_metadata(&path).is_ok_and(|metadata| !metadata.is_file());
        let opened = match is_other {
            true => Err(io::Error::other("the part file is no regular file")),
            false => options.open(&path),
        };
        let file = opened.map_err(DownloadError::Destination)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => DownloadError::InProgress,
            TryLockError::Error(error) => DownloadError::Destination(error),
        })?;
        let mut header = Vec::new();
        let read = (&file).take(HEADER).read_to_end(&mut header);
        read.map_err(DownloadError::Destination)?;
        let found = serde_json::from_slice(&header).ok();
        let file = Mutex::new(file);
        Ok((Self { file, path }, found))
    }

    /// Empties it, for this version.
    pub(crate) fn begin(&self, version: &Version) -> io::Result<()> {
        let mut header = serde_json::to_vec(version)?;
        if header.len() as u64 > HEADER {
            return Err(io::ErrorKind::InvalidData.into());
        }
        header.resize(HEADER as usize, b' ');
        self.with(|file| file.set_len(0))?;
        self.write(0, &header)?;
        self.with(|file| file.set_len(BODY + version.total))
    }

    /// Which ranges have arrived.
    pub(crate) fn arrived(&self, version: &Version) -> io::Result<Vec<bool>> {
        let mut flags = Vec::new();
        self.with(|file| {
            file.seek(SeekFrom::Start(HEADER))?;
            file.take(version.ranges()).read_to_end(&mut flags)
        })?;
        flags.resize(version.ranges() as usize, 0);
        Ok(flags.into_iter().map(|flag| flag == b'1').collect())
    }

    /// Writes all pieces, in their order: a range is marked after its bytes, and then `arriving` is
    /// told.
    pub(crate) fn write_all(
        &self,
        mut pieces: mpsc::Receiver<Piece>,
        arriving: &Sender<u64>,
    ) -> io::Result<()> {
        while let Some(piece) = pieces.blocking_recv() {
            match piece {
                Piece::Bytes(offset, bytes) => self.write(BODY + offset, &bytes)?,
                Piece::Arrived(range, recorded) => {
                    self.write(HEADER + range, b"1")?;
                    // Whoever was told may have been cancelled.
                    let _ = arriving.send(range);
                    let _ = recorded.send(());
                }
            }
        }
        Ok(())
    }

    /// Opens the object while its ranges arrive, besides those that already have, and moves it to the
    /// destination once all of it has been verified.
    ///
    /// # Errors
    /// [`NotAuthentic`](DownloadError::NotAuthentic) and
    /// [`Destination`](DownloadError::Destination), also if a range never arrives.
    pub(crate) fn open_as_it_arrives(
        &self,
        key: &Grant,
        version: &Version,
        destination: &Path,
        mut arrived: Vec<bool>,
        arriving: &Receiver<u64>,
    ) -> Result<(), DownloadError> {
        let mut plaintext = SyncedFile::of(create(with_suffix(destination, ".part.open"))?);
        let mut opener = key.opener();
        let (mut chunk, mut opened) = (vec![0; CHUNK], Vec::with_capacity(2 * CHUNK));
        for range in 0..version.ranges() {
            while arrived.get(range as usize) == Some(&false) {
                let given_up = |_| DownloadError::Destination(io::ErrorKind::Interrupted.into());
                let other = arriving.recv().map_err(given_up)?;
                if let Some(arrived) = arrived.get_mut(other as usize) {
                    *arrived = true;
                }
            }
            let end = version.total.min((range + 1) * RANGE);
            let mut offset = range * RANGE;
            while offset < end {
                let wanted = usize::try_from(end - offset).map_or(CHUNK, |left| left.min(CHUNK));
                let chunk = &mut chunk[..wanted];
                self.read(BODY + offset, chunk)?;
                opened.clear();
                let updated = opener.update(chunk, &mut opened);
                updated.map_err(|_| DownloadError::NotAuthentic)?;
                plaintext.write(&opened)?;
                offset += wanted as u64;
            }
        }
        opener.finish().map_err(|_| DownloadError::NotAuthentic)?;
        let named = plaintext.finish()?.persist(destination);
        named.map_err(|error| DownloadError::Destination(error.error))?;
        self.remove();
        Ok(())
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<(), DownloadError> {
        let read = self.with(|file| {
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(bytes)
        });
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => DownloadError::NotAuthentic,
            _ => DownloadError::Destination(error),
        })
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.with(|file| {
            file.seek(SeekFrom::Start(offset))?;
            file.write_all(bytes)
        })
    }

    fn with<T>(&self, operation: impl FnOnce(&mut &File) -> T) -> T {
        // Nothing that is done to the file depends on where a panic left its position.
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        operation(&mut &*file)
    }

    /// Removes it: it is of no more use.
    pub(crate) fn remove(&self) {
        // If this fails, the next download finds out.
        let _ = fs::remove_file(&self.path);
    }
}

/// Creates an empty file in place of what an earlier run left.
fn create(path: PathBuf) -> Result<NamedTempFile, DownloadError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _ = fs::remove_file(&path);
    let file = options.open(&path).map_err(DownloadError::Destination)?;
    let path = TempPath::try_from_path(path).map_err(DownloadError::Destination)?;
    Ok(NamedTempFile::from_parts(file, path))
}

fn with_suffix(destination: &Path, suffix: &str) -> PathBuf {
    let mut path = OsString::from(destination);
    path.push(suffix);
    path.into()
}

#[cfg(test)]
mod tests {
    use caas_crypto::{ContentKey, stored};

    use super::*;

    fn version(total: u64) -> Version {
        Version {
            file: Version::file("https://a.example", "MDE"),
            etag: "\"e\"".to_owned(),
            total,
        }
    }

    fn grant() -> Grant {
        Grant::received(ContentKey::from([3; 32]), &stored::IV, &stored::AAD).unwrap()
    }

    #[test]
    fn a_part_file_keeps_what_arrived_and_opens_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().join("copy");
        let content: Vec<u8> = (0..RANGE + 5).map(|i| (i * 7 / 5) as u8).collect();
        let mut sealed = content.clone();
        let mut sealer = grant().into_sealer();
        sealer.update(&mut sealed).unwrap();
        sealed.extend(sealer.finish());
        let version = version(sealed.len() as u64);
        assert_eq!(version.ranges(), 2);
        // Writes pieces, and opens what is there then.
        let write = |file: &PartFile, pieces: Vec<Piece>| {
            let arrived = file.arrived(&version).unwrap();
            let (sender, receiver) = mpsc::channel(8);
            pieces
                .into_iter()
                .for_each(|piece| sender.try_send(piece).ok().unwrap());
            drop(sender);
            let (arriving, arrivals) = std::sync::mpsc::channel();
            file.write_all(receiver, &arriving).unwrap();
            drop(arriving);
            file.open_as_it_arrives(&grant(), &version, &destination, arrived, &arrivals)
        };
        let piece = |start: usize, end: usize| {
            Piece::Bytes(start as u64, Bytes::copy_from_slice(&sealed[start..end]))
        };
        let range = RANGE as usize;

        let (file, found) = PartFile::open(&destination).unwrap();
        assert_eq!(found, None);
        file.begin(&version).unwrap();
        assert_eq!(file.arrived(&version).unwrap(), [false, false]);
        let early = write(
            &file,
            vec![
                piece(range, sealed.len()),
                Piece::Arrived(1, oneshot::channel().0),
                piece(0, 100),
            ],
        );
        assert!(
            matches!(early, Err(DownloadError::Destination(_))),
            "{early:?}"
        );
        // No plaintext.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let busy = PartFile::open(&destination).unwrap_err();
        assert!(matches!(busy, DownloadError::InProgress), "{busy:?}");
        drop(file);

        let (file, found) = PartFile::open(&destination).unwrap();
        assert_eq!(found, Some(version.clone()));
        assert_eq!(file.arrived(&version).unwrap(), [false, true]);
        // What an earlier run left there.
        fs::write(folder.path().join("copy.part.open"), "x").unwrap();
        let damaged = write(
            &file,
            vec![
                piece(99, range - 1),
                Piece::Arrived(0, oneshot::channel().0),
            ],
        );
        assert!(
            matches!(damaged, Err(DownloadError::NotAuthentic)),
            "{damaged:?}"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        write(&file, vec![piece(0, range)]).unwrap();
        assert!(fs::read(&destination).unwrap() == content);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_part_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().join("copy");
        let part = folder.path().join("copy.part");
        for content in ["", "{}", "{\"file\":", "\0\0"] {
            fs::write(&part, content).unwrap();
            let (_, found) = PartFile::open(&destination).unwrap();
            assert_eq!(found, None, "{content}");
        }
        fs::remove_file(&part).unwrap();
        fs::create_dir(&part).unwrap();
        let refused = PartFile::open(&destination).unwrap_err();
        assert!(
            matches!(refused, DownloadError::Destination(_)),
            "{refused:?}"
        );
        #[cfg(unix)]
        {
            fs::remove_dir(&part).unwrap();
            std::os::unix::fs::symlink(folder.path().join("other"), &part).unwrap();
            assert!(PartFile::open(&destination).is_err());
            fs::remove_file(&part).unwrap();
            drop(PartFile::open(&destination).unwrap());
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&part).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
