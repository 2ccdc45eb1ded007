//! The vault: files sealed in S3, each under a data key of its own that KMS wraps.

mod error;
mod get;
mod grant;
mod list;
mod multipart;
mod options;
mod put;

use std::{collections::HashMap, fmt, sync::Arc, time::SystemTime};

use aws_sdk_s3::{
    config::http::HttpResponse,
    primitives::{DateTime, DateTimeFormat},
};
use caas_crypto::stored::{self, EncryptionContext, Header, HeaderError};

pub(crate) use error::status;
pub use error::{GetError, PutError, Unavailable};
pub use get::Opened;
pub use grant::{DownloadGrant, UploadGrant};
pub use list::{InvalidCursor, ListError, ListedFile, Page};
pub use options::{InvalidOption, PutOptions};
pub use put::{PART_LEN, Stored};

use crate::{KmsKey, ObjectKey, VersionedBucket};

/// Name of the user metadata that says which version of the inbox a sealed object holds, if it was
/// dropped there.
pub const SOURCE_VERSION: &str = "caas-source-version";

/// Name of the user metadata of an object in the inbox that must be the first of its key: its presigned
/// request is good for one file. Once that is sealed or deleted, S3's own condition lets a second one in.
pub const SINGLE_USE: &str = "caas-single-use";

/// A bucket of sealed files, and the KMS key that wraps their data keys.
///
/// What is put is sealed on the way, whatever its size, in constant memory; what is got has been
/// verified in full. Everything that can be refused is refused before KMS is asked. The format is
/// that of the Amazon S3 Encryption Client, version 3 ([`caas_crypto::stored`]), with the encryption
/// context `caas:object` = hex SHA-256 of the S3 key: a copy under another key does not open.
///
/// Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    bucket: VersionedBucket,
    key: Arc<KmsKey>,
}

impl Vault {
    /// The vault in this bucket, with data keys wrapped by `key`.
    pub fn new(s3: aws_sdk_s3::Client, bucket: impl Into<String>, key: KmsKey) -> Self {
        Self {
            bucket: VersionedBucket::new(s3, bucket),
            key: Arc::new(key),
        }
    }

    /// What is known about a file without opening it; `None` when there is none. One HeadObject, no
    /// call to KMS.
    ///
    /// # Errors
    /// S3 does not answer.
    pub async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, Unavailable> {
        self.head_of(key, None).await
    }

    /// What is known about one version of a file, which need not be the current one; `None` when
    /// there is none. One HeadObject, no call to KMS.
    ///
    /// # Errors
    /// S3 does not answer.
    pub async fn head_version(
        &self,
        key: &ObjectKey,
        version_id: &str,
    ) -> Result<Option<ObjectInfo>, Unavailable> {
        self.head_of(key, Some(version_id.to_owned())).await
    }

    async fn head_of(
        &self,
        key: &ObjectKey,
        version_id: Option<String>,
    ) -> Result<Option<ObjectInfo>, Unavailable> {
        let answer = self
            .s3()
            .head_object()
            .bucket(self.bucket_name())
            .key(key.as_str())
            .set_version_id(version_id)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(Some(ObjectInfo {
                e_tag: answer.e_tag.unwrap_or_default(),
                version_id: answer.version_id,
                stored_len: length(answer.content_length),
                content_type: answer.content_type,
                last_modified: time(answer.last_modified),
                metadata: answer.metadata.unwrap_or_default(),
            })),
            Err(error) => match error.raw_response() {
                Some(answer) if answer.status().as_u16() == 404 => Ok(None),
                Some(answer) if answer.status().is_success() => Ok(Some(unreadable(answer))),
                _ => Err(Unavailable::new("HeadObject", &error)),
            },
        }
    }

    /// Deletes a file. In a versioned bucket it stays recoverable, until the bucket's lifecycle or
    /// [`purge`](Self::purge) removes its versions. Deleting what is not there is no error.
    ///
    /// # Errors
    /// S3 does not answer.
    pub async fn delete(&self, key: &ObjectKey) -> Result<(), Unavailable> {
        self.bucket.delete(key).await.map(drop)
    }

    /// Deletes a file, as [`delete`](Self::delete) does, if it still is the one with this ETag; says
    /// whether it was.
    ///
    /// # Errors
    /// S3 does not answer.
    pub async fn delete_if_match(&self, key: &ObjectKey, e_tag: &str) -> Result<bool, Unavailable> {
        let request = self.s3().delete_object().bucket(self.bucket_name());
        match request.key(key.as_str()).if_match(e_tag).send().await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error::status(&error), Some(404 | 409 | 412)) => Ok(false),
            Err(error) => Err(Unavailable::new("DeleteObject", &error)),
        }
    }

    /// Removes every version of exactly this file, for good, and says how many there were, delete
    /// markers included. The file disappears first; no older version of it shows in between. What is
    /// put meanwhile stays.
    ///
    /// # Errors
    /// S3 does not answer. Some versions may be gone; the file is not readable any more unless the
    /// first call failed.
    pub async fn purge(&self, key: &ObjectKey) -> Result<usize, Unavailable> {
        let versions = self.bucket.versions(key).await?;
        let mut own_marker = None;
        if versions.objects.iter().any(|version| version.is_latest) {
            own_marker = self.bucket.delete(key).await?;
        }
        self.bucket.remove_all(key, &versions).await?;
        if let Some(marker) = own_marker {
            self.bucket.remove(key, &marker).await?;
        }
        Ok(versions.objects.len() + versions.delete_markers.len())
    }

    /// Does the same, but leaves a delete marker in the place of the file, from the first moment on: what
    /// is being sealed at this time finds that it was deleted.
    ///
    /// # Errors
    /// S3 does not answer. Some versions may be gone.
    pub async fn purge_to_marker(&self, key: &ObjectKey) -> Result<usize, Unavailable> {
        let versions = self.bucket.versions(key).await?;
        self.bucket.delete(key).await?;
        self.bucket.remove_all(key, &versions).await?;
        Ok(versions.objects.len() + versions.delete_markers.len())
    }

    /// Aborts multipart uploads that began before `before`, and says how many. Those are uploads whose
    /// process was killed, or whose id S3's answer never brought here; an upload that is still going on
    /// would be lost, so leave more time than any takes. A lifecycle rule does the same, by days.
    ///
    /// # Errors
    /// S3 does not answer; some uploads may be aborted.
    pub async fn abort_uploads(&self, before: SystemTime) -> Result<usize, Unavailable> {
        multipart::abort_uploads(self, before).await
    }

    /// The bucket and its versions.
    pub fn bucket(&self) -> &VersionedBucket {
        &self.bucket
    }

    fn s3(&self) -> &aws_sdk_s3::Client {
        self.bucket.client()
    }

    fn bucket_name(&self) -> &str {
        self.bucket.name()
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("bucket", &self.bucket_name())
            .field("key", &self.key)
            .finish()
    }
}

/// What S3 says about a sealed file. Nothing of it is authenticated except what
/// [`header`](Self::header) leads to.
#[derive(Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The ETag of the sealed object, with its quotes.
    pub e_tag: String,
    /// The version, in a versioned bucket.
    pub version_id: Option<String>,
    /// Length of the sealed object in bytes.
    pub stored_len: u64,
    /// The content type it was stored with.
    pub content_type: Option<String>,
    /// When it was stored.
    pub last_modified: SystemTime,
    /// The user metadata, the header's fields included.
    pub metadata: HashMap<String, String>,
}

impl ObjectInfo {
    /// Length of the file in bytes: the sealed object's without the tag, never below 0.
    pub fn size(&self) -> u64 {
        self.stored_len.saturating_sub(stored::OVERHEAD as u64)
    }

    /// Reads the header, if the object is in the format and belongs under `key`.
    ///
    /// # Errors
    /// See [`HeaderError`].
    pub fn header(&self, key: &ObjectKey) -> Result<Header, HeaderError> {
        let fields = self.metadata.iter();
        Header::parse(
            fields.map(|(name, value)| (name.as_str(), value.as_str())),
            &EncryptionContext::for_object(key.as_str()),
        )
    }
}

/// Without the metadata, which may be anything.
impl fmt::Debug for ObjectInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectInfo")
            .field("e_tag", &self.e_tag)
            .field("version_id", &self.version_id)
            .field("stored_len", &self.stored_len)
            .finish_non_exhaustive()
    }
}

/// An object whose metadata the SDK cannot read: it is not one of ours, which an empty header says.
fn unreadable(answer: &HttpResponse) -> ObjectInfo {
    let header = |name| answer.headers().get(name);
    let last_modified = header("last-modified");
    let last_modified =
        last_modified.and_then(|text| DateTime::from_str(text, DateTimeFormat::HttpDate).ok());
    ObjectInfo {
        e_tag: header("etag").unwrap_or_default().to_owned(),
        version_id: header("x-amz-version-id").map(str::to_owned),
        stored_len: length(header("content-length").and_then(|len| len.parse().ok())),
        content_type: header("content-type").map(str::to_owned),
        last_modified: time(last_modified),
        metadata: HashMap::new(),
    }
}

fn length(content_length: Option<i64>) -> u64 {
    content_length
        .and_then(|len| u64::try_from(len).ok())
        .unwrap_or_default()
}

fn time(last_modified: Option<DateTime>) -> SystemTime {
    last_modified
        .and_then(|time| SystemTime::try_from(time).ok())
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
