//! One multipart upload and its parts.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::{
    StoreError,
    blob::Blob,
    record::{PartRecord, UploadRecord},
};
use crate::disk;

pub(super) const UPLOAD_FILE: &str = "upload.json";

/// A multipart upload.
pub(crate) struct Upload {
    pub(crate) id: String,
    pub(crate) record: UploadRecord,
    pub(super) dir: PathBuf,
    parts: Arc<AsyncMutex<Parts>>,
}

/// The parts of an upload.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) by_number: BTreeMap<u16, Part>,
    /// The upload was completed or aborted.
    pub(super) closed: bool,
}

/// One part.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) record: PartRecord,
    pub(crate) blob: Arc<Blob>,
}

impl Upload {
    pub(super) fn new(
        id: String,
        dir: PathBuf,
        record: UploadRecord,
        by_number: BTreeMap<u16, Part>,
    ) -> Self {
        let parts = Parts {
            by_number,
            closed: false,
        };
        Self {
            id,
            record,
            dir,
            parts: Arc::new(AsyncMutex::new(parts)),
        }
    }

    /// The folder's name after the upload.
    pub(super) fn retired_dir(&self) -> PathBuf {
        self.dir.with_extension(disk::TEMPORARY)
    }

    /// Locks the parts.
    pub(crate) async fn parts(&self) -> Result<OwnedMutexGuard<Parts>, StoreError> {
        let parts = Arc::clone(&self.parts).lock_owned().await;
        if parts.closed {
            Err(StoreError::NoSuchUpload)
        } else {
            Ok(parts)
        }
    }
}
