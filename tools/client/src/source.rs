//! What is uploaded: a file, or what was spooled.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    path::Path,
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};

use crate::{
    UploadError,
    spool::{Spool, SpoolReader},
};

/// An open source, and what it was when it was opened.
pub(crate) struct Source {
    content: Content,
    pub(crate) stamp: Stamp,
}

enum Content {
    /// A regular file.
    File(File),
    Spool(SpoolReader),
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
            Ok(Self {
                content: Content::File(file),
                stamp,
            })
        });
        let opened = opened.await.unwrap_or_else(|error| Err(error.into()));
        opened.map_err(UploadError::Source)
    }

    /// What was spooled.
    pub(crate) fn spooled(spool: &Spool) -> Self {
        Self {
            content: Content::Spool(spool.reader()),
            stamp: Stamp {
                size: spool.size(),
                modified: 0,
            },
        }
    }

    pub(crate) fn reader(&mut self) -> &mut (dyn Read + Send) {
        match &mut self.content {
            Content::File(file) => file,
            Content::Spool(spool) => spool,
        }
    }

    /// Checks, after all of it was read, that it is what it was: of a file as far as its stamp tells.
    pub(crate) fn check_unchanged(&mut self) -> Result<(), UploadError> {
        let is_unchanged = match &mut self.content {
            Content::File(file) => {
                let metadata = file.metadata().map_err(UploadError::Source)?;
                Stamp::of(&metadata) == self.stamp
            }
            Content::Spool(spool) => spool.read(&mut [0]).map_err(UploadError::Source)? == 0,
        };
        match is_unchanged {
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
