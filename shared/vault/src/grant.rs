//! Files that a client seals or opens by itself: it gets the key of one object and a presigned
//! request for it, and no byte of the file comes here.

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
/// this version for ever.
#[derive(Debug)]
pub struct DownloadGrant {
    /// Fetches the body: ciphertext and tag.
    pub request: PresignedRequest,
    /// Opens it.
    pub encryption: Grant,
    /// What S3 says about the file.
    pub info: ObjectInfo,
}

impl Vault {
    /// Leaves sealing and storing a file of exactly `len` bytes to a client. One GenerateDataKey,
    /// no call to S3.
    ///
    /// The key is new and the client's alone: what the client stores with it, if it does not seal, or
    /// seals twice, breaks this one object. An object that does not open is refused when it is read.
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
        let (header, sealing_key) = self.begin(key).await?;
        let stored_len = len + OVERHEAD as u64;
        let metadata = metadata(&header, options);
        let bucket = self.bucket_name();
        let request = presigner.put_with(bucket, key, stored_len, options, metadata);
        Ok(UploadGrant {
            request: request.await?,
            encryption: sealing_key.into_grant(),
        })
    }

    /// Leaves fetching and opening a file to a client: the version that is current now, whatever is
    /// put afterwards (without versioning, what is put afterwards does not open). One HeadObject, one
    /// Decrypt. That the body opens is not checked here.
    ///
    /// # Errors
    /// See [`GetError`]; never [`TooLarge`](GetError::TooLarge).
    pub async fn grant_download(
        &self,
        key: &ObjectKey,
        presigner: &Presigner,
    ) -> Result<DownloadGrant, GetError> {
        let info = self.head(key).await?.ok_or(GetError::NotFound)?;
        let opening_key = self.unlock(key, &info).await?;
        let request = presigner.get(self.bucket_name(), key, info.version_id.as_deref());
        Ok(DownloadGrant {
            request: request.await?,
            encryption: opening_key.into_grant(),
            info,
        })
    }
}
