//! One bucket of sealed files.

use std::{fmt, sync::Arc};

use aws_sdk_s3::types::ChecksumMode;
use caas_aws::{KmsKey, ObjectKey, Unavailable, Version, VersionedBucket, Versions, status};

use crate::{ObjectInfo, object_info::unreadable};

/// A bucket of sealed files, and the KMS key that wraps their data keys.
///
/// A put seals a file of any size, in constant memory; a get returns only what has been verified in
/// full. Whatever can be refused without KMS is refused before a KMS request. The format is that of
/// the Amazon S3 Encryption Client, version 3 ([`caas_crypto::stored`]), with the encryption
/// context `caas:object` = hex SHA-256 of the S3 key: a copy under another key does not open.
///
/// Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    bucket: VersionedBucket,
    pub(crate) key: Arc<KmsKey>,
}

impl Vault {
    /// The vault in this bucket, with data keys wrapped by `key`.
    pub fn new(s3: aws_sdk_s3::Client, bucket: impl Into<String>, key: KmsKey) -> Self {
        Self {
            bucket: VersionedBucket::new(s3, bucket),
            key: Arc::new(key),
        }
    }

    /// What is known about a file without opening it; `None` if there is none. One HeadObject, no
    /// KMS request.
    ///
    /// # Errors
    /// S3 is not available.
    pub async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, Unavailable> {
        self.head_of(key.as_str(), None).await
    }

    /// What is known about one version of a file, which need not be the current one, with its
    /// checksum; `None` if there is none. One HeadObject, no KMS request.
    ///
    /// # Errors
    /// S3 is not available.
    pub async fn head_version(
        &self,
        key: &ObjectKey,
        version_id: &str,
    ) -> Result<Option<ObjectInfo>, Unavailable> {
        self.head_of(key.as_str(), Some(version_id.to_owned()))
            .await
    }

    /// As [`head`](Self::head), at any S3 key. The object need not be in the format.
    ///
    /// # Errors
    /// S3 is not available.
    pub async fn head_at(&self, key: &str) -> Result<Option<ObjectInfo>, Unavailable> {
        self.head_of(key, None).await
    }

    async fn head_of(
        &self,
        key: &str,
        version_id: Option<String>,
    ) -> Result<Option<ObjectInfo>, Unavailable> {
        let response = self
            .s3()
            .head_object()
            .bucket(self.bucket_name())
            .key(key)
            .set_checksum_mode(version_id.as_ref().map(|_| ChecksumMode::Enabled))
            .set_version_id(version_id)
            .send()
            .await;
        match response {
            Ok(response) => Ok(Some(response.into())),
            Err(error) => match error.raw_response() {
                Some(response) if response.status().as_u16() == 404 => Ok(None),
                Some(response) if response.status().is_success() => Ok(Some(unreadable(response))),
                _ => Err(Unavailable::new("HeadObject", &error)),
            },
        }
    }

    /// Deletes a file. In a versioned bucket it stays recoverable until the bucket's lifecycle or
    /// [`purge`](Self::purge) removes its versions. Deleting an absent file is no error.
    ///
    /// # Errors
    /// S3 is not available.
    pub async fn delete(&self, key: &ObjectKey) -> Result<(), Unavailable> {
        self.bucket.delete(key).await.map(drop)
    }

    /// Deletes a file that is deleted already: as [`delete`](Self::delete), but leaves no more than
    /// two markers over each other, however often it is repeated. The newest tells writes in progress
    /// that the file is deleted; the one on top of a version dates its deletion for the bucket's
    /// lifecycle.
    ///
    /// # Errors
    /// S3 is not available.
    pub async fn delete_again(&self, key: &ObjectKey) -> Result<(), Unavailable> {
        self.delete(key).await?;
        let versions = self.bucket.versions(key).await?;
        for marker in redundant_markers(&versions) {
            self.bucket.remove(key, marker).await?;
        }
        Ok(())
    }

    /// Deletes a file, as [`delete`](Self::delete) does, if it still has this ETag; returns whether
    /// it did.
    ///
    /// # Errors
    /// S3 is not available.
    pub async fn delete_if_match(&self, key: &ObjectKey, e_tag: &str) -> Result<bool, Unavailable> {
        let request = self.s3().delete_object().bucket(self.bucket_name());
        match request.key(key.as_str()).if_match(e_tag).send().await {
            Ok(_) => Ok(true),
            Err(error) if matches!(status(&error), Some(404 | 409 | 412)) => Ok(false),
            Err(error) => Err(Unavailable::new("DeleteObject", &error)),
        }
    }

    /// Permanently removes every version of exactly this file, and returns what there was,
    /// including delete markers. The file disappears first; no older version becomes visible in
    /// between. Versions that are put meanwhile stay.
    ///
    /// # Errors
    /// S3 is not available. Some versions may be gone; the file is no longer readable, unless the
    /// first request failed.
    pub async fn purge(&self, key: &ObjectKey) -> Result<Versions, Unavailable> {
        let versions = self.bucket.versions(key).await?;
        let mut own_marker = None;
        if versions.objects.iter().any(|version| version.is_latest) {
            own_marker = self.bucket.delete(key).await?;
        }
        self.bucket.remove_all(key, &versions).await?;
        if let Some(marker) = own_marker {
            self.bucket.remove(key, &marker).await?;
        }
        Ok(versions)
    }

    /// As [`purge`](Self::purge), but leaves a delete marker in place of the file, from the start:
    /// a run that is sealing the file then finds that it was deleted.
    ///
    /// # Errors
    /// S3 is not available. Some versions may be gone.
    pub async fn purge_to_marker(&self, key: &ObjectKey) -> Result<Versions, Unavailable> {
        let versions = self.bucket.versions(key).await?;
        self.bucket.delete(key).await?;
        self.bucket.remove_all(key, &versions).await?;
        Ok(versions)
    }

    /// The bucket and its versions.
    pub fn bucket(&self) -> &VersionedBucket {
        &self.bucket
    }

    pub(crate) fn s3(&self) -> &aws_sdk_s3::Client {
        self.bucket.client()
    }

    pub(crate) fn bucket_name(&self) -> &str {
        self.bucket.name()
    }
}

/// The markers that are neither the newest nor the first one put over a version.
fn redundant_markers(versions: &Versions) -> impl Iterator<Item = &str> {
    let markers = &versions.delete_markers;
    let first_over = |object: &Version| {
        let mut oldest_first = markers.iter().rev();
        oldest_first.find(|marker| marker.last_modified >= object.last_modified)
    };
    let needed = versions.objects.iter().filter_map(first_over);
    let needed: Vec<_> = needed.chain(markers.first()).collect();
    let redundant = markers
        .iter()
        .filter(move |marker| !needed.contains(marker));
    redundant.map(|marker| marker.version_id.as_str())
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("bucket", &self.bucket_name())
            .field("key", &self.key)
            .finish()
    }
}
