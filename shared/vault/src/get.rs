//! Opening a file of the vault: no part of it is released before its tag has been verified.

use std::{mem, path::Path};

use aws_sdk_s3::primitives::ByteStream;
use caas_aws::{KmsError, ObjectKey, Unavailable, off_worker, status};
use caas_crypto::{
    DataKey,
    stored::{OVERHEAD, OpeningKey},
};
use tempfile::NamedTempFile;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::{GetError, ObjectAddress, ObjectInfo, Vault};

/// Plaintext is written to a file in chunks of about this many bytes.
const WRITE_LEN: usize = 1 << 20;

/// A verified file.
#[derive(Debug)]
pub struct Opened {
    /// S3's information about it.
    pub info: ObjectInfo,
    /// Its content.
    pub content: Vec<u8>,
}

impl Vault {
    /// Opens a file of at most `limit` bytes in memory. One GetObject, so that header and body
    /// belong to the same version; one Decrypt.
    ///
    /// # Errors
    /// See [`GetError`]. A file over the limit is refused without a KMS request.
    pub async fn get(&self, key: &ObjectKey, limit: u64) -> Result<Opened, GetError> {
        let address = key.into();
        let (info, body) = self.fetch(&address).await?;
        if info.size() > limit {
            return Err(GetError::TooLarge { size: info.size() });
        }
        let opening_key = self.unlock(&address, &info).await?;
        let sealed = read(body, info.stored_len).await?;
        let content = off_worker(sealed.len(), move || {
            opening_key.open(sealed).map_err(|_| GetError::NotAuthentic)
        });
        let content = content.await??;
        Ok(Opened { info, content })
    }

    /// Opens a file of any length into `destination`, in constant memory. The plaintext goes to a
    /// temporary file in the same folder, readable only by the current user, which replaces
    /// `destination` once all of it has been verified. On any error it is removed.
    ///
    /// # Errors
    /// See [`GetError`].
    pub async fn get_to_file(
        &self,
        key: &ObjectKey,
        destination: &Path,
    ) -> Result<ObjectInfo, GetError> {
        let folder = match destination.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let temporary = NamedTempFile::new_in(folder).map_err(GetError::Destination)?;
        let file = temporary.as_file().try_clone();
        let mut file = tokio::fs::File::from_std(file.map_err(GetError::Destination)?);

        let info = self.open_at(&key.into(), &mut file).await?;
        file.sync_all().await.map_err(GetError::Destination)?;
        temporary
            .persist(destination)
            .map_err(|error| GetError::Destination(error.error))?;
        Ok(info)
    }

    /// Writes what an object at any address contains, in constant memory. What it writes is
    /// **unverified**: only if it succeeds, that was the object's content. It checks first, before any
    /// KMS request, that the object has exactly the context of the address.
    ///
    /// # Errors
    /// See [`GetError`]. What was written must be discarded.
    pub async fn open_at(
        &self,
        address: &ObjectAddress,
        mut out: impl AsyncWrite + Unpin,
    ) -> Result<ObjectInfo, GetError> {
        let (info, mut body) = self.fetch(address).await?;
        let opening_key = self.unlock(address, &info).await?;

        let mut opener = opening_key.opener();
        let mut plaintext = Vec::with_capacity(WRITE_LEN + (WRITE_LEN >> 2));
        let mut received = 0;
        while let Some(chunk) = body.try_next().await.map_err(broken_off)? {
            received += chunk.len() as u64;
            opener
                .update(&chunk, &mut plaintext)
                .map_err(|_| GetError::NotAuthentic)?;
            if plaintext.len() >= WRITE_LEN {
                let written = out.write_all(&plaintext).await;
                written.map_err(GetError::Destination)?;
                plaintext.clear();
            }
        }
        complete(received, info.stored_len)?;
        opener.finish().map_err(|_| GetError::NotAuthentic)?;
        let written = out.write_all(&plaintext).await;
        written.map_err(GetError::Destination)?;
        out.flush().await.map_err(GetError::Destination)?;
        Ok(info)
    }

    async fn fetch(&self, address: &ObjectAddress) -> Result<(ObjectInfo, ByteStream), GetError> {
        let response = self
            .s3()
            .get_object()
            .bucket(self.bucket_name())
            .key(address.key())
            .send()
            .await;
        match response {
            Ok(mut response) => {
                let body = mem::take(&mut response.body);
                Ok((ObjectInfo::from(response), body))
            }
            Err(error) => Err(match status(&error) {
                Some(404) => GetError::NotFound,
                // The SDK cannot read the metadata: S3 responded, but the object is not ours.
                Some(200) => GetError::NotAuthentic,
                _ => Unavailable::new("GetObject", &error).into(),
            }),
        }
    }

    /// Checks everything that needs no KMS, then makes the one KMS request.
    pub(crate) async fn unlock(
        &self,
        address: &ObjectAddress,
        info: &ObjectInfo,
    ) -> Result<OpeningKey, GetError> {
        let header = info.header_at(address).map_err(|reason| {
            tracing::warn!(%reason, "an object is not in the vault's format");
            if info.is_another_programs(address) {
                GetError::OtherContext
            } else {
                GetError::NotAuthentic
            }
        })?;
        if info.stored_len < OVERHEAD as u64 {
            return Err(GetError::NotAuthentic);
        }
        let data_key = self
            .key
            .unwrap(
                header.wrapped_key().as_bytes(),
                header.encryption_context().pairs(),
            )
            .await
            .map_err(|error| match error {
                KmsError::NotAuthentic => GetError::NotAuthentic,
                KmsError::Unavailable => GetError::Unavailable,
            })?;
        header
            .unlock(&DataKey::from(data_key))
            .map_err(|_| GetError::NotAuthentic)
    }
}

/// Reads a body of exactly `len` bytes.
async fn read(mut body: ByteStream, len: u64) -> Result<Vec<u8>, GetError> {
    let capacity = usize::try_from(len).map_err(|_| GetError::TooLarge { size: len })?;
    let mut sealed = Vec::with_capacity(capacity);
    while let Some(chunk) = body.try_next().await.map_err(broken_off)? {
        if chunk.len() > capacity - sealed.len() {
            return Err(GetError::Unavailable);
        }
        sealed.extend_from_slice(&chunk);
    }
    complete(sealed.len() as u64, len)?;
    Ok(sealed)
}

/// A body that ends early is a broken connection, not a changed file.
fn complete(received: u64, len: u64) -> Result<(), GetError> {
    if received == len {
        Ok(())
    } else {
        Err(GetError::Unavailable)
    }
}

fn broken_off(_: aws_sdk_s3::primitives::ByteStreamError) -> GetError {
    tracing::warn!("S3's response was truncated");
    GetError::Unavailable
}
