//! The journal of an upload in parts: what a restart needs to go on without ever sealing other bytes
//! under the same key. It holds no key.
//!
//! Each line is a JSON object, a tab, and a check: the first half of SHA-256 over the SHA-256 of the
//! first line and this object, in base64. Lines are only appended. A journal of which any line cannot
//! be read belongs to no upload.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{UploadError, response::Parts, source::Stamp};

/// Longer than any journal, in bytes: 8,192 parts have two lines each.
const MAX_LEN: u64 = 8 << 20;

const CHECK_LEN: usize = 16;

/// SHA-256 of a part's ciphertext.
pub(crate) type PartDigest = [u8; 32];

/// What is uploaded, and the upload that the service began for it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Begun {
    pub(crate) version: Version,
    pub(crate) file: Identity,
    pub(crate) stamp: Stamp,
    pub(crate) id: String,
    pub(crate) upload: String,
    pub(crate) parts: Parts,
}

/// The journal's format.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Version {
    #[serde(rename = "caas-upload-journal:v1")]
    V1,
}

/// Which file is uploaded, where to, and as what.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    pub(crate) service: String,
    pub(crate) source: String,
    pub(crate) name: String,
    pub(crate) content_type: String,
}

/// What happened to a part.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Record {
    /// It was sealed, and this is the SHA-256 of its ciphertext. It may leave from now on.
    Sealed(u16, String),
    /// S3 returned this ETag.
    Stored(u16, String),
}

/// What is known about a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordedPart {
    pub(crate) digest: PartDigest,
    pub(crate) etag: Option<String>,
}

/// The parts of an upload that may have left.
pub(crate) type RecordedParts = BTreeMap<u16, RecordedPart>;

/// An open journal. Nobody else can open it meanwhile: two that seal the same file at different times
/// could seal different bytes.
#[derive(Clone, Debug)]
pub(crate) struct JournalFile(Arc<OpenFile>);

#[derive(Debug)]
struct OpenFile {
    file: File,
    path: PathBuf,
}

/// The journal of one upload.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    file: JournalFile,
    /// SHA-256 of the first line.
    binding: [u8; 32],
}

impl JournalFile {
    /// Opens the journal of this file, or creates it, and returns what it holds: nothing if it is
    /// damaged.
    ///
    /// # Errors
    /// [`Journal`](UploadError::Journal) and [`InProgress`](UploadError::InProgress).
    pub(crate) fn open(
        folder: &Path,
        file: &Identity,
        source: &OsStr,
    ) -> Result<(Self, Option<(Begun, RecordedParts)>), UploadError> {
        let path = folder.join(file_name(file, source));
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut opened = options.open(&path).map_err(UploadError::Journal)?;
        opened.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => UploadError::InProgress,
            TryLockError::Error(error) => UploadError::Journal(error),
        })?;
        let mut text = Vec::new();
        let read = (&mut opened).take(MAX_LEN + 1).read_to_end(&mut text);
        read.map_err(UploadError::Journal)?;
        let restored = restore(&text).filter(|(begun, _)| begun.file == *file);
        let opened = OpenFile { file: opened, path };
        Ok((Self(Arc::new(opened)), restored))
    }

    /// Forgets what it holds, and durably records a new upload.
    pub(crate) fn begin(self, begun: &Begun) -> io::Result<Journal> {
        let file = &self.0.file;
        file.set_len(0)?;
        self.append(&line(&[0; 32], begun))?;
        file.sync_all()?;
        Ok(self.of(begun))
    }

    /// The journal of the upload that it holds.
    pub(crate) fn of(&self, begun: &Begun) -> Journal {
        Journal {
            file: self.clone(),
            binding: begun.digest(),
        }
    }

    /// Removes it, after its upload has ended.
    pub(crate) fn remove(&self) {
        // What is left belongs to an upload that is no longer there.
        let _ = self.0.file.set_len(0);
        let _ = fs::remove_file(&self.0.path);
    }

    /// One write, so that lines of several threads do not mix.
    fn append(&self, line: &str) -> io::Result<()> {
        (&self.0.file).write_all(line.as_bytes())
    }
}

impl Journal {
    /// Durably records that a part may leave.
    pub(crate) fn sealed(&self, part: u16, digest: &PartDigest) -> io::Result<()> {
        let record = Record::Sealed(part, BASE64_STANDARD.encode(digest));
        self.file.append(&line(&self.binding, &record))?;
        self.file.0.file.sync_data()
    }

    /// Records that S3 holds a part. If this is lost, the part is sent again.
    pub(crate) fn stored(&self, part: u16, etag: &str) -> io::Result<()> {
        let record = Record::Stored(part, etag.to_owned());
        self.file.append(&line(&self.binding, &record))
    }

    /// The file that it is in.
    pub(crate) fn file(&self) -> &JournalFile {
        &self.file
    }
}

impl Begun {
    fn digest(&self) -> [u8; 32] {
        Sha256::digest(json(self)).into()
    }
}

/// What a whole journal says, if it is undamaged.
fn restore(text: &[u8]) -> Option<(Begun, RecordedParts)> {
    let text = str::from_utf8(text).ok()?.strip_suffix('\n')?;
    if text.len() as u64 >= MAX_LEN {
        return None;
    }
    let mut lines = text.split('\n');
    let begun: Begun = checked(&[0; 32], lines.next()?)?;
    let binding = begun.digest();
    let mut parts = RecordedParts::new();
    for line in lines {
        match checked(&binding, line)? {
            Record::Sealed(part, digest) => {
                let digest = BASE64_STANDARD.decode(digest).ok()?.try_into().ok()?;
                // Parts are sealed in their order.
                let is_next = usize::from(part) == parts.len() + 1 && part <= begun.parts.count;
                is_next.then_some(())?;
                parts.insert(part, RecordedPart { digest, etag: None });
            }
            Record::Stored(part, etag) => parts.get_mut(&part)?.etag = Some(etag),
        }
    }
    Some((begun, parts))
}

fn line(binding: &[u8; 32], content: &impl Serialize) -> String {
    let json = json(content);
    let check = check(binding, &json);
    format!("{json}\t{check}\n")
}

fn checked<T: DeserializeOwned>(binding: &[u8; 32], line: &str) -> Option<T> {
    let (json, found) = line.split_once('\t')?;
    (check(binding, json) == found).then_some(())?;
    serde_json::from_str(json).ok()
}

fn check(binding: &[u8; 32], json: &str) -> String {
    let digest = Sha256::new().chain_update(binding).chain_update(json);
    BASE64_STANDARD.encode(&digest.finalize()[..CHECK_LEN])
}

/// These types have no value that is no JSON.
fn json(content: &impl Serialize) -> String {
    serde_json::to_string(content).unwrap_or_default()
}

/// One name for each file, service, name and content type.
fn file_name(file: &Identity, source: &OsStr) -> String {
    let digest = Sha256::new()
        .chain_update(json(file))
        .chain_update(source.as_encoded_bytes());
    let digest = BASE64_URL_SAFE_NO_PAD.encode(digest.finalize());
    format!("{digest}.caas-upload")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn begun(upload: &str) -> Begun {
        Begun {
            version: Version::V1,
            file: Identity {
                service: "https://a.example".to_owned(),
                source: "/a\tb\n".to_owned(),
                name: "ä".to_owned(),
                content_type: "text/plain".to_owned(),
            },
            stamp: serde_json::from_str(r#"{"size":100,"modified":7}"#).unwrap(),
            id: "MDE".to_owned(),
            upload: upload.to_owned(),
            parts: Parts {
                part_size: 16,
                count: 8,
            },
        }
    }

    fn open(folder: &TempDir) -> (JournalFile, Option<(Begun, RecordedParts)>) {
        JournalFile::open(folder.path(), &begun("").file, OsStr::new("/a")).unwrap()
    }

    /// A journal with a part that is stored and one that was sealed, and its text.
    fn written(folder: &TempDir) -> (PathBuf, Vec<u8>) {
        let (file, restored) = open(folder);
        assert!(restored.is_none());
        let journal = file.begin(&begun("one")).unwrap();
        journal.sealed(1, &[1; 32]).unwrap();
        journal.sealed(2, &[2; 32]).unwrap();
        journal.stored(1, "\"e\"").unwrap();
        let path = journal.file.0.path.clone();
        let text = fs::read(&path).unwrap();
        (path, text)
    }

    #[test]
    fn a_journal_holds_what_was_written_and_only_for_its_owner() {
        let folder = TempDir::new().unwrap();
        let (path, _) = written(&folder);
        let (file, restored) = open(&folder);
        let (found, parts) = restored.unwrap();
        assert!(found == begun("one"));
        let part = |digest, etag: Option<&str>| RecordedPart {
            digest: [digest; 32],
            etag: etag.map(str::to_owned),
        };
        let expected = [(1, part(1, Some("\"e\""))), (2, part(2, None))];
        assert_eq!(parts, RecordedParts::from(expected));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        // Nobody else, while it is open.
        let again = JournalFile::open(folder.path(), &begun("").file, OsStr::new("/a"));
        assert!(matches!(again, Err(UploadError::InProgress)));
        let other = JournalFile::open(folder.path(), &begun("").file, OsStr::new("/b"));
        assert!(other.unwrap().1.is_none());
        // Another upload begins with nothing.
        drop(file.begin(&begun("two")).unwrap());
        let (file, restored) = open(&folder);
        let (found, parts) = restored.unwrap();
        assert!(found == begun("two") && parts.is_empty());
        file.remove();
        assert!(!path.exists());
    }

    #[test]
    fn a_damaged_journal_holds_nothing() {
        let folder = TempDir::new().unwrap();
        let (_, text) = written(&folder);
        assert!(restore(&text).is_some());
        for byte in 0..text.len() {
            let mut damaged = text.clone();
            damaged[byte] ^= 1;
            assert!(restore(&damaged).is_none(), "byte {byte}");
            // A cut between lines is as a crash between them.
            let between = byte > 0 && text[byte - 1] == b'\n';
            let cut = restore(&text[..byte]);
            assert_eq!(cut.is_some(), between, "cut to {byte}");
        }
        let lines: Vec<_> = text.split_inclusive(|byte| *byte == b'\n').collect();
        let of = |order: &[usize]| {
            let lines: Vec<_> = order.iter().map(|line| lines[*line]).collect();
            restore(&lines.concat())
        };
        assert!(of(&[0, 1, 2, 3]).is_some());
        for order in [&[0, 1, 1][..], &[0, 2], &[0, 3], &[1, 2, 3], &[0, 0], &[]] {
            assert!(of(order).is_none(), "{order:?}");
        }
        // Lines of another upload.
        let other = TempDir::new().unwrap();
        let (file, _) = open(&other);
        let path = file.0.path.clone();
        file.clone().begin(&begun("two")).unwrap();
        let first = fs::read(&path).unwrap();
        assert!(restore(&[&first[..], lines[1]].concat()).is_none());
        // A part that the upload does not have.
        for part in [0, 9] {
            let journal = file.clone().begin(&begun("two")).unwrap();
            journal.sealed(part, &[1; 32]).unwrap();
            assert!(restore(&fs::read(&path).unwrap()).is_none());
        }
    }
}
