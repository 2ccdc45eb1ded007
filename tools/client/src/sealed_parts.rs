//! The parts of an upload: a thread reads and seals the file while earlier parts are sent.

use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::Receiver,
    },
};

use bytes::Bytes;
use caas_crypto::stored::{Grant, OVERHEAD, StreamSealer};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::Sender;

use crate::{
    UploadError,
    journal::{Journal, PartDigest, RecordedParts},
    part_layout::PartLayout,
    source::Source,
};

/// How much is read, sealed and hashed at a time, in bytes: what the processor's cache holds.
const CHUNK: u64 = 256 << 10;

/// A sealed part. What it is may leave this process: its digest is recorded.
pub(crate) struct SealedPart {
    pub(crate) number: u16,
    pub(crate) body: PartBody,
}

/// Whether a part has to be sent.
pub(crate) enum PartBody {
    Send(Bytes),
    /// S3 returned this ETag for the same bytes before.
    Stored(String),
}

/// Why sealing ended early.
#[derive(Debug)]
pub(crate) enum Unsealed {
    /// A part differs from what may have left under this key before: the key must not be used again.
    Differs,
    Failed(UploadError),
}

impl From<UploadError> for Unsealed {
    fn from(error: UploadError) -> Self {
        Self::Failed(error)
    }
}

/// Seals a file into parts.
pub(crate) struct PartSealer {
    pub(crate) source: Source,
    pub(crate) layout: PartLayout,
    pub(crate) grant: Grant,
    /// Without one, nothing outlives this process: neither the key nor the parts.
    pub(crate) journal: Option<Journal>,
    /// What may have left before.
    pub(crate) recorded: RecordedParts,
    /// The memory of parts. Sealing waits for it.
    pub(crate) buffers: Receiver<Vec<u8>>,
    /// How many bytes of the file are sealed.
    pub(crate) sealed: Arc<AtomicU64>,
}

impl PartSealer {
    /// Hands over every part in turn. Ends early, without an error, if nobody takes them.
    pub(crate) fn run(self, parts: &Sender<SealedPart>) -> Result<(), Unsealed> {
        let mut message = Message {
            left: self.layout.size,
            source: self.source,
            sealer: Some(self.grant.into_sealer()),
            tag: [0; OVERHEAD],
            tag_sent: 0,
            sealed: self.sealed,
        };
        let mut recorded = self.recorded;
        let mut spare = None;
        for number in 1..=self.layout.count {
            let Some(mut part) = spare.take().or_else(|| self.buffers.recv().ok()) else {
                return Ok(());
            };
            let digest = message.next_part(self.layout.len(number), &mut part)?;
            let etag = match recorded.remove(&number) {
                Some(recorded) if recorded.digest != digest => return Err(Unsealed::Differs),
                Some(recorded) => recorded.etag,
                None => {
                    let journal = self.journal.as_ref();
                    let written = journal.map_or(Ok(()), |journal| journal.sealed(number, &digest));
                    written.map_err(UploadError::Journal)?;
                    None
                }
            };
            let body = match etag {
                Some(etag) => {
                    spare = Some(part);
                    PartBody::Stored(etag)
                }
                None => PartBody::Send(part.into()),
            };
            if parts.blocking_send(SealedPart { number, body }).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Ciphertext and tag of the file, read in order.
struct Message {
    source: Source,
    /// Bytes of the file to read.
    left: u64,
    /// None once the tag is made.
    sealer: Option<StreamSealer>,
    tag: [u8; OVERHEAD],
    /// How much of the tag earlier parts have.
    tag_sent: usize,
    sealed: Arc<AtomicU64>,
}

impl Message {
    /// Replaces `part` by the next `len` bytes, and returns their digest.
    fn next_part(&mut self, len: u64, part: &mut Vec<u8>) -> Result<PartDigest, UploadError> {
        let mut digest = Sha256::new();
        let mut missing = len;
        part.clear();
        part.reserve_exact(usize::try_from(len).unwrap_or_default());
        while missing > 0 {
            let start = part.len();
            match self.left {
                0 => self.take_tag(missing, part)?,
                left => self.seal(missing.min(left).min(CHUNK), part)?,
            }
            digest.update(&part[start..]);
            missing -= (part.len() - start) as u64;
        }
        Ok(digest.finalize().into())
    }

    /// Appends the ciphertext of the file's next `len` bytes.
    fn seal(&mut self, len: u64, part: &mut Vec<u8>) -> Result<(), UploadError> {
        let start = part.len();
        let read = self.source.reader().take(len).read_to_end(part);
        if (read.map_err(UploadError::Source)? as u64) < len {
            return Err(UploadError::Changed);
        }
        let sealer = self.sealer.as_mut().ok_or(UploadError::Changed)?;
        let sealed = sealer.update(&mut part[start..]);
        sealed.map_err(|_| UploadError::Source(io::ErrorKind::FileTooLarge.into()))?;
        self.left -= len;
        self.sealed.fetch_add(len, Ordering::Relaxed);
        Ok(())
    }

    /// Appends up to `len` bytes of the tag, which there is only if the file is what it was.
    fn take_tag(&mut self, len: u64, part: &mut Vec<u8>) -> Result<(), UploadError> {
        if let Some(sealer) = self.sealer.take() {
            self.source.check_unchanged()?;
            self.tag = sealer.finish();
        }
        let rest = &self.tag[self.tag_sent..];
        let len = usize::try_from(len).map_or(rest.len(), |len| len.min(rest.len()));
        part.extend_from_slice(&rest[..len]);
        self.tag_sent += len;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        fs::{self, File},
        path::Path,
        sync::mpsc,
    };

    use caas_crypto::{ContentKey, stored};
    use tempfile::TempDir;

    use super::*;
    use crate::{journal::RecordedPart, response::Parts};

    const PART: u64 = 1 << 10;

    fn grant() -> Grant {
        Grant::received(ContentKey::from([3; 32]), &stored::IV, &stored::AAD).unwrap()
    }

    fn content(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 7 / 5) as u8).collect()
    }

    /// Seals a file after these parts were recorded, and changes it with `change` after the first
    /// part. Returns the parts: what is sent of each, or its ETag.
    async fn seal(
        path: &Path,
        recorded: RecordedParts,
        change: impl FnOnce(),
    ) -> (Result<(), Unsealed>, Vec<PartBody>) {
        let source = Source::open(path).await.unwrap();
        let size = source.stamp.size;
        let count = (size + 16).div_ceil(PART) as u16;
        let parts = Parts {
            part_size: PART,
            count,
        };
        let (give_back, buffers) = mpsc::channel();
        give_back.send(Vec::new()).unwrap();
        let sealed = Arc::new(AtomicU64::new(0));
        let sealer = PartSealer {
            source,
            layout: PartLayout::new(size, parts).unwrap(),
            grant: grant(),
            journal: None,
            recorded,
            buffers,
            sealed: Arc::clone(&sealed),
        };
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
        let thread = tokio::task::spawn_blocking(move || sealer.run(&sender));
        let mut sent = Vec::new();
        let mut change = Some(change);
        while let Some(part) = receiver.recv().await {
            assert_eq!(usize::from(part.number), sent.len() + 1);
            sent.push(part.body);
            if let Some(change) = change.take() {
                change();
            }
            // A second part is sealed only now.
            let _ = give_back.send(Vec::new());
        }
        let outcome = thread.await.unwrap();
        assert!(outcome.is_err() || sealed.load(Ordering::Relaxed) == size);
        (outcome, sent)
    }

    fn file(folder: &TempDir, len: usize) -> std::path::PathBuf {
        let path = folder.path().join("a");
        fs::write(&path, content(len)).unwrap();
        path
    }

    fn bytes(parts: &[PartBody]) -> Vec<u8> {
        let sent = parts.iter().map(|part| match part {
            PartBody::Send(bytes) => bytes,
            PartBody::Stored(_) => panic!("not sent"),
        });
        sent.flat_map(|bytes| bytes.to_vec()).collect()
    }

    #[tokio::test]
    async fn parts_are_one_message_even_if_the_tag_is_divided() {
        let folder = TempDir::new().unwrap();
        let part = PART as usize;
        for len in [
            0,
            1,
            part - 16,
            part - 15,
            part - 1,
            part,
            part + 1,
            5 * part - 7,
            700_000,
        ] {
            let path = file(&folder, len);
            let (outcome, parts) = seal(&path, RecordedParts::new(), || {}).await;
            outcome.unwrap();
            let all_but_last = &parts[..parts.len() - 1];
            let full = |body: &PartBody| bytes(std::slice::from_ref(body)).len() == part;
            assert!(all_but_last.iter().all(full), "{len}");
            let (mut opener, mut opened) = (grant().opener(), Vec::new());
            opener.update(&bytes(&parts), &mut opened).unwrap();
            opener.finish().unwrap();
            assert_eq!(opened, content(len), "{len}");
        }
    }

    #[tokio::test]
    async fn a_part_that_may_have_left_is_sent_again_only_if_it_is_the_same() {
        let folder = TempDir::new().unwrap();
        let path = file(&folder, 5_000);
        let (_, parts) = seal(&path, RecordedParts::new(), || {}).await;
        let recorded: RecordedParts = (1..)
            .zip(&parts)
            .map(|(number, body)| {
                let digest = Sha256::digest(bytes(std::slice::from_ref(body))).into();
                let etag = (number % 2 == 0).then(|| "e".to_owned());
                (number, RecordedPart { digest, etag })
            })
            .collect();
        let (outcome, again) = seal(&path, recorded.clone(), || {}).await;
        outcome.unwrap();
        for (first, second) in parts.iter().zip(&again).step_by(2) {
            let one = std::slice::from_ref;
            assert_eq!(bytes(one(first)), bytes(one(second)));
        }
        let stored = again.iter().skip(1).step_by(2);
        assert!(stored.clone().count() == 2);
        assert!(
            stored
                .into_iter()
                .all(|body| matches!(body, PartBody::Stored(etag) if etag == "e"))
        );
        for byte in [0, 1_023, 1_024, 3_000, 4_999] {
            let mut changed = content(5_000);
            changed[byte] ^= 1;
            fs::write(&path, changed).unwrap();
            let (outcome, sent) = seal(&path, recorded.clone(), || {}).await;
            assert!(matches!(outcome, Err(Unsealed::Differs)), "byte {byte}");
            assert_eq!(sent.len(), byte / PART as usize, "byte {byte}");
        }
        // The tag is one of the last part.
        fs::write(&path, content(5_000)).unwrap();
        let mut other = recorded;
        other.get_mut(&5).unwrap().digest[0] ^= 1;
        let (outcome, _) = seal(&path, other, || {}).await;
        assert!(matches!(outcome, Err(Unsealed::Differs)));
    }

    type Change<'a> = (&'a str, &'a dyn Fn(&Path));

    #[tokio::test]
    async fn a_file_that_changes_meanwhile_gets_no_tag() {
        let folder = TempDir::new().unwrap();
        let grow = |path: &Path| fs::write(path, content(5_001)).unwrap();
        let shrink = |path: &Path| {
            File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(4_000)
                .unwrap()
        };
        let touch = |path: &Path| {
            let file = File::options().write(true).open(path).unwrap();
            file.set_modified(std::time::UNIX_EPOCH).unwrap();
        };
        let changes: [Change<'_>; 3] =
            [("longer", &grow), ("shorter", &shrink), ("touched", &touch)];
        for (case, change) in changes {
            let path = file(&folder, 5_000);
            let (outcome, parts) = seal(&path, BTreeMap::new(), || change(&path)).await;
            let changed = matches!(outcome, Err(Unsealed::Failed(UploadError::Changed)));
            assert!(changed, "{case}");
            assert!(parts.len() < 5, "{case}");
        }
    }
}
