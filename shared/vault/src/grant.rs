//! Files that a client seals or opens itself: it gets the key of one object and a presigned request
//! for it, and no byte of the file passes through this process.

use caas_aws::{ObjectKey, PresignedRequest, Presigner, PutOptions};
use caas_crypto::stored::{Grant, OVERHEAD};

use crate::{GetError, ObjectInfo, PutError, Vault, object_info::metadata};

/// What a client needs to seal and store one file.
#[derive(Debug)]
pub struct UploadGrant {
    /// Stores the body: ciphertext and tag.
    pub request: PresignedRequest,
    /// Seals it.
    pub encryption: Grant,
}

/// What a client needs to fetch and open one version of a file. The request expires; the key opens
/// this version permanently.
#[derive(Debug)]
pub struct DownloadGrant {
    /// Fetches the body: ciphertext and tag.
    pub request: PresignedRequest,
    /// Opens it.
    pub encryption: Grant,
    /// S3's information about the file.
    pub info: ObjectInfo,
}

impl Vault {
    /// Lets a client seal and store a file of exactly `len` bytes. One GenerateDataKey, no S3
    /// request.
    ///
    /// The key is new and used for this object only: a client that seals wrongly, not at all, or
    /// twice breaks this one object. An object that does not open is refused when it is read.
    ///
    /// # Errors
    /// See [`PutError`].
    pub async fn grant_upload(
        &self,
        key: &ObjectKey,
        len: u64,
        options: &PutOptions,
        presigner: &Presigner,
    ) -> Result<UploadGrant, PutError> {
        options.admit_whole(len)?;
        let (header, sealing_key, _) = self.begin(&key.into()).await?;
        let stored_len = len + OVERHEAD as u64;
        let metadata = metadata(&header, options);
        let bucket = self.bucket_name();
        let request = presigner.put(bucket, key, stored_len, options, metadata);
        Ok(UploadGrant {
            request: request.await?,
            encryption: sealing_key.into_grant(),
        })
    }

    /// Lets a client fetch and open the current version of a file, even if another is put later.
    /// (Without versioning, an object that is put later does not open.) One HeadObject, one
    /// Decrypt. This does not check that the body opens.
    ///
    /// # Errors
    /// See [`GetError`]; never [`TooLarge`](GetError::TooLarge).
    pub async fn grant_download(
        &self,
        key: &ObjectKey,
        presigner: &Presigner,
    ) -> Result<DownloadGrant, GetError> {
        let info = self.head(key).await?.ok_or(GetError::NotFound)?;
        let opening_key = self.unlock(&key.into(), &info).await?;
        let request = presigner.get(self.bucket_name(), key, info.version_id.as_deref());
        Ok(DownloadGrant {
            request: request.await?,
            encryption: opening_key.into_grant(),
            info,
        })
    }
}
