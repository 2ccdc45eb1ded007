//! What has arrived of a download: `<destination>.part`, and in `<destination>.part.json` which version
//! of which file it belongs to.
//!
//! It is opened as it arrives, in order, and **unverified** until the tag of the whole is right; then it
//! is renamed. Nothing that it contained before is trusted: to go on, it is sealed again, which yields the
//! ciphertext that the tag is computed over. If it was damaged, the tag does not fit, and the download
//! begins anew.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::mpsc::Sender,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use caas_crypto::stored::{BodyOpener, Grant, OVERHEAD};
use same_file::Handle;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::{DownloadError, download::SyncedFile};

/// Longer than any version, in bytes.
const MAX_VERSION: u64 = 4 << 10;

/// How much is opened or sealed at a time, in bytes: it stays in the processor's cache until it is
/// written.
const CHUNK: usize = 128 << 10;

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
}

/// An open part file. Nobody else can open it meanwhile.
#[derive(Debug)]
pub(crate) struct PartFile {
    file: File,
    path: PathBuf,
    version: PathBuf,
}

impl PartFile {
    /// Opens the part file of a destination, or creates it, and returns which version it belongs to.
    ///
    /// # Errors
    /// [`InProgress`](DownloadError::InProgress) and [`Destination`](DownloadError::Destination), also
    /// if a file of that name has content that belongs to no version: it may be somebody's own.
    pub(crate) fn open(destination: &Path) -> Result<(Self, Option<Version>), DownloadError> {
        let path = with_suffix(destination, ".part");
        let is_other = fs::symlink_metadata(&path).is_ok_and(|metadata| !metadata.is_file());
        let opened = match is_other {
            true => Err(io::Error::other("the part file is no regular file")),
            false => private().read(true).create(true).open(&path),
        };
        let file = opened.map_err(DownloadError::Destination)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => DownloadError::InProgress,
            TryLockError::Error(error) => DownloadError::Destination(error),
        })?;
        // Whoever held the lock may have moved the file to its destination meanwhile.
        if !is_at(&file, &path).map_err(DownloadError::Destination)? {
            return Err(DownloadError::InProgress);
        }
        let version = with_suffix(destination, ".part.json");
        let found = read(&version).ok();
        let found = found.and_then(|text| serde_json::from_slice(&text).ok());
        let metadata = file.metadata().map_err(DownloadError::Destination)?;
        if found.is_none() && metadata.len() > 0 {
            let error = format!("{} is in the way", path.display());
            let error = io::Error::new(io::ErrorKind::AlreadyExists, error);
            return Err(DownloadError::Destination(error));
        }
        let opened = Self {
            file,
            path,
            version,
        };
        Ok((opened, found))
    }

    /// Empties it, for this version.
    pub(crate) fn begin(&self, version: &Version) -> io::Result<()> {
        self.file.set_len(0)?;
        let text = serde_json::to_vec(version)?;
        if text.len() as u64 > MAX_VERSION {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut file = private().create(true).truncate(true).open(&self.version)?;
        file.write_all(&text)
    }

    /// How many bytes of the object have arrived: as many as it is long, or none if it is too long.
    pub(crate) fn arrived(&self, version: &Version) -> io::Result<u64> {
        let len = self.file.metadata()?.len();
        Ok(if len + OVERHEAD as u64 > version.total {
            0
        } else {
            len
        })
    }

    /// Opens the object from this byte on as it arrives, and moves it to the destination once all of it
    /// has been verified. False if `pieces` end early. The two grants are the same. Gives the memory of
    /// each piece back.
    ///
    /// # Errors
    /// [`NotAuthentic`](DownloadError::NotAuthentic) and
    /// [`Destination`](DownloadError::Destination).
    pub(crate) fn open_as_it_arrives(
        &self,
        (opening, sealing): (&Grant, Grant),
        version: &Version,
        start: u64,
        mut pieces: mpsc::Receiver<Vec<u8>>,
        give_back: &Sender<Vec<u8>>,
        destination: &Path,
    ) -> Result<bool, DownloadError> {
        let failed = DownloadError::Destination;
        let mut opener = opening.opener();
        self.seal_again(sealing, start, &mut opener)?;
        // The opener holds back what could be the tag.
        let opened = start.saturating_sub(OVERHEAD as u64);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(opened)).map_err(failed)?;
        let mut out = SyncedFile::of(self.file.try_clone().map_err(failed)?);
        let (mut received, mut plaintext) = (start, Vec::new());
        while received < version.total {
            let Some(piece) = pieces.blocking_recv() else {
                return Ok(false);
            };
            received += piece.len() as u64;
            for chunk in piece.chunks(CHUNK) {
                plaintext.clear();
                let updated = opener.update(chunk, &mut plaintext);
                updated.map_err(|_| DownloadError::NotAuthentic)?;
                out.write(&plaintext)?;
            }
            // Nobody may need it any more.
            let _ = give_back.send(piece);
        }
        opener.finish().map_err(|_| DownloadError::NotAuthentic)?;
        out.finish()?;
        if !is_at(&self.file, &self.path).map_err(failed)? {
            let error = format!("{} was replaced during the download", self.path.display());
            return Err(failed(io::Error::other(error)));
        }
        fs::rename(&self.path, destination).map_err(failed)?;
        // If this fails, the next download finds out.
        let _ = fs::remove_file(&self.version);
        Ok(true)
    }

    /// Gives the opener the first `len` bytes of the object, by sealing what they were opened to.
    fn seal_again(
        &self,
        grant: Grant,
        len: u64,
        opener: &mut BodyOpener,
    ) -> Result<(), DownloadError> {
        let failed = DownloadError::Destination;
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut sealer = grant.into_sealer();
        let (mut chunk, mut opened) = (vec![0; CHUNK], Vec::new());
        let mut left = len;
        while left > 0 {
            let wanted = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
            let chunk = &mut chunk[..wanted];
            file.read_exact(chunk).map_err(failed)?;
            sealer
                .update(chunk)
                .map_err(|_| DownloadError::NotAuthentic)?;
            opened.clear();
            let updated = opener.update(chunk, &mut opened);
            updated.map_err(|_| DownloadError::NotAuthentic)?;
            left -= wanted as u64;
        }
        Ok(())
    }

    /// Removes it: it is of no more use.
    pub(crate) fn remove(&self) {
        // If this fails, the next download finds out.
        let _ = fs::remove_file(&self.version);
        let _ = fs::remove_file(&self.path);
    }
}

/// Options for files that only this user can read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Whether this path still leads to the open file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match Handle::from_path(path) {
        Ok(found) => Ok(found == Handle::from_file(file.try_clone()?)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_VERSION).read_to_end(&mut text)?;
    Ok(text)
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
    fn a_part_file_goes_on_at_every_length_and_opens_as_a_whole_or_not_at_all() {
        let content: Vec<u8> = (0..3_000_u32).map(|i| (i * 7 / 5) as u8).collect();
        let mut sealed = content.clone();
        let mut sealer = grant().into_sealer();
        sealer.update(&mut sealed).unwrap();
        sealed.extend(sealer.finish());
        let version = version(sealed.len() as u64);
        for arrived in [0, 1, 15, 16, 17, 1_000, 2_999, 3_000, 3_001, 3_015] {
            let folder = tempfile::tempdir().unwrap();
            let destination = folder.path().join("copy");
            let go_on = |file: &PartFile, until: usize| {
                let start = file.arrived(&version).unwrap();
                let (sender, pieces) = mpsc::channel(1);
                let piece = sealed[start as usize..until].to_vec();
                sender.try_send(piece).unwrap();
                drop(sender);
                let grants = (&grant(), grant());
                let (give_back, _) = std::sync::mpsc::channel();
                file.open_as_it_arrives(grants, &version, start, pieces, &give_back, &destination)
            };
            let (file, found) = PartFile::open(&destination).unwrap();
            assert_eq!(found, None);
            file.begin(&version).unwrap();
            assert!(!go_on(&file, arrived).unwrap());
            let busy = PartFile::open(&destination).unwrap_err();
            assert!(matches!(busy, DownloadError::InProgress), "{busy:?}");
            assert!(!destination.exists());
            drop(file);

            let (file, found) = PartFile::open(&destination).unwrap();
            assert_eq!(found, Some(version.clone()));
            let len = file.arrived(&version).unwrap();
            assert_eq!(len, arrived.saturating_sub(OVERHEAD) as u64);
            if len > 0 {
                let mut damaged = fs::read(&file.path).unwrap();
                damaged[0] ^= 1;
                fs::write(&file.path, &damaged).unwrap();
                let refused = go_on(&file, sealed.len());
                assert!(
                    matches!(refused, Err(DownloadError::NotAuthentic)),
                    "{refused:?}"
                );
                assert!(!destination.exists());
                damaged.truncate(len as usize);
                damaged[0] ^= 1;
                fs::write(&file.path, &damaged).unwrap();
            }
            assert!(go_on(&file, sealed.len()).unwrap());
            assert!(fs::read(&destination).unwrap() == content, "{arrived}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    /// Each download writes what nobody else does, and moves it away.
    #[test]
    fn whoever_opens_a_part_file_has_the_one_at_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().join("copy");
        let download = |name: u8| {
            for round in 0..5_000_u32 {
                let Ok((part, _)) = PartFile::open(&destination) else {
                    continue;
                };
                let content = [&[name], &round.to_be_bytes()[..]].concat();
                part.begin(&version(100)).unwrap();
                (&part.file).write_all(&content).unwrap();
                assert_eq!(fs::read(&part.path).unwrap(), content);
                fs::rename(&part.path, &destination).unwrap();
            }
        };
        std::thread::scope(|scope| {
            for name in 0..3 {
                scope.spawn(move || download(name));
            }
        });
    }

    #[test]
    fn a_part_file_that_was_replaced_is_not_moved_to_the_destination() {
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().join("copy");
        let mut sealer = grant().into_sealer();
        let mut sealed = b"content".to_vec();
        sealer.update(&mut sealed).unwrap();
        sealed.extend(sealer.finish());
        let version = version(sealed.len() as u64);
        let (part, _) = PartFile::open(&destination).unwrap();
        part.begin(&version).unwrap();
        fs::remove_file(&part.path).unwrap();
        fs::write(&part.path, "another").unwrap();
        let (sender, pieces) = mpsc::channel(1);
        sender.try_send(sealed).unwrap();
        let (give_back, _) = std::sync::mpsc::channel();
        let grants = (&grant(), grant());
        let moved = part.open_as_it_arrives(grants, &version, 0, pieces, &give_back, &destination);
        assert!(
            matches!(moved, Err(DownloadError::Destination(_))),
            "{moved:?}"
        );
        assert!(!destination.exists());
    }

    #[test]
    fn a_file_of_somebody_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().join("copy");
        let part = folder.path().join("copy.part");
        for version in ["", "{}", "{\"file\":"] {
            fs::write(&part, "x").unwrap();
            fs::write(folder.path().join("copy.part.json"), version).unwrap();
            let refused = PartFile::open(&destination).unwrap_err();
            assert!(
                matches!(refused, DownloadError::Destination(_)),
                "{refused:?}"
            );
            assert_eq!(fs::read(&part).unwrap(), b"x");
        }
        fs::remove_file(&part).unwrap();
        fs::create_dir(&part).unwrap();
        assert!(PartFile::open(&destination).is_err());
        #[cfg(unix)]
        {
            use std::os::unix::fs::{PermissionsExt, symlink};

            fs::remove_dir(&part).unwrap();
            symlink(folder.path().join("other"), &part).unwrap();
            assert!(PartFile::open(&destination).is_err());
            fs::remove_file(&part).unwrap();
            fs::remove_file(folder.path().join("copy.part.json")).unwrap();
            let (file, _) = PartFile::open(&destination).unwrap();
            file.begin(&version(16)).unwrap();
            for path in [&part, &folder.path().join("copy.part.json")] {
                let mode = fs::metadata(path).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600);
            }
        }
    }
}
