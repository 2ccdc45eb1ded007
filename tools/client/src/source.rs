//! The file that is uploaded.

use std::{
    fs::{File, Metadata},
    io,
    path::Path,
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};

use crate::UploadError;

/// A regular file, and what it was when it was opened.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) file: File,
    pub(crate) stamp: Stamp,
}

/// What tells that a file has changed, if it tells: a change can leave both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stamp {
    /// In bytes.
    pub(crate) size: u64,
    /// The time of the last change, in nanoseconds since 1970; 0 if the system has none.
    modified: u64,
}

impl Source {
    /// Opens a regular file.
    pub(crate) async fn open(path: &Path) -> Result<Self, UploadError> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
            }
            let stamp = Stamp::of(&metadata);
            Ok(Self { file, stamp })
        });
        let opened = opened.await.unwrap_or_else(|error| Err(error.into()));
        opened.map_err(UploadError::Source)
    }

    /// Checks that the file is what it was, as far as its stamp tells.
    pub(crate) fn check_unchanged(&self) -> Result<(), UploadError> {
        let metadata = self.file.metadata().map_err(UploadError::Source)?;
        match Stamp::of(&metadata) == self.stamp {
            true => Ok(()),
            false => Err(UploadError::Changed),
        }
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().ok();
        let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Self {
            size: metadata.len(),
            modified: since.map_or(0, |since| {
                u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
            }),
        }
    }
}
