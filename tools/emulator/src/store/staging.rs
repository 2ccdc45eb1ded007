//! Writes bodies to disk before they are visible.

use std::{io, sync::Arc};

use futures::{StreamExt, TryStreamExt};
use s3s::dto::StreamingBlob;

use super::{
    Store, StoreError,
    blob::{Blob, BlobWriter},
    bucket::Place,
    checksum::{Algorithm, Digests, Hashes},
};

/// Bytes per write.
const BATCH: usize = 256 * 1024;

/// A durable body and its digests.
pub(crate) struct Staged {
    pub(crate) blob: Arc<Blob>,
    pub(crate) digests: Digests,
}

impl Store {
    /// Writes a body to disk under a new name.
    ///
    /// At most two batches are in memory: one being received, one being written.
    pub(crate) async fn stage(
        &self,
        place: Place,
        body: Option<StreamingBlob>,
        algorithms: &[Algorithm],
        expected: Option<u64>,
        limit: u64,
    ) -> Result<Staged, StoreError> {
        if expected.is_some_and(|length| length > limit) {
            return Err(StoreError::TooLarge);
        }
        let hashes = Hashes::new(algorithms);
        let mut length = 0_u64;
        let mut writing = self.tasks.spawn_blocking(move || {
            let dir = place.ready_dir()?;
            BlobWriter::create(dir.join(place.new_blob_name()?), hashes)
        });
        if let Some(body) = body {
            let mut body = body.fuse();
            loop {
                let mut batch = Vec::new();
                let mut gathered = 0;
                while gathered < BATCH {
                    let Some(bytes) = body.try_next().await.map_err(StoreError::Body)? else {
                        break;
                    };
                    gathered += bytes.len();
                    batch.push(bytes);
                }
                if batch.is_empty() {
                    break;
                }
                length += gathered as u64;
                if length > limit {
                    return Err(StoreError::TooLarge);
                }
                let mut writer = writing.await.map_err(io::Error::other)??;
                writing = self.tasks.spawn_blocking(move || {
                    for bytes in batch {
                        writer.write(&bytes)?;
                    }
                    Ok(writer)
                });
            }
        }
        if expected.is_some_and(|expected| expected != length) {
            return Err(StoreError::IncompleteBody);
        }
        let writer = writing.await.map_err(io::Error::other)??;
        let (blob, digests) = self.run(move || Ok(writer.finish()?)).await?;
        Ok(Staged {
            blob: Arc::new(blob),
            digests,
        })
    }
}
