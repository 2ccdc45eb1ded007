//! Reading what was dropped in a bucket, unsealed.

use std::fmt;

use aws_sdk_s3::{
    primitives::ByteStream,
    types::{ChecksumMode, EncodingType},
};
use tokio::io::AsyncRead;

use crate::{
    ObjectKey, Version, VersionedBucket,
    listing::decoded,
    vault::{SINGLE_USE, Unavailable, status},
};

/// An object as it is read.
pub struct Dropped {
    /// The version that is read.
    pub version_id: String,
    /// Its length in bytes.
    pub size: u64,
    /// The content type it was stored with.
    pub content_type: Option<String>,
    /// Whether it carries [`SINGLE_USE`].
    pub is_single_use: bool,
    body: ByteStream,
}

impl Dropped {
    /// The content. Reading fails at the end if it is not what S3's checksum says, where S3 has one
    /// of the whole object.
    pub fn into_reader(self) -> impl AsyncRead + Send + Unpin {
        Box::pin(self.body.into_async_read())
    }
}

/// A page of all versions in a bucket.
#[derive(Debug)]
pub struct DroppedVersions {
    /// Versions and delete markers. The keys are in order within the page, those of versions and
    /// those of delete markers each.
    pub versions: Vec<DroppedVersion>,
    /// Where the next page begins, if there is one.
    pub next: Option<NextPage>,
}

/// One version in a listing of many keys.
pub struct DroppedVersion {
    /// The key, which may be none that this service can serve.
    pub key: String,
    /// The version.
    pub version: Version,
    /// Whether it is a delete marker.
    pub is_delete_marker: bool,
}

impl DroppedVersion {
    /// Whether it is anything but a delete marker, or what a console makes for a folder: an empty
    /// object whose key ends with a slash.
    pub fn has_content(&self) -> bool {
        let is_folder = self.key.ends_with('/') && self.version.size == 0;
        !self.is_delete_marker && !is_folder
    }
}

/// Where a page begins.
pub struct NextPage {
    key: String,
    version_id: Option<String>,
}

impl VersionedBucket {
    /// Begins to read the current version; `None` when there is none. One GetObject.
    ///
    /// # Errors
    /// S3 does not answer.
    pub async fn read(&self, key: &ObjectKey) -> Result<Option<Dropped>, Unavailable> {
        let request = self.client().get_object().bucket(self.name());
        let request = request.key(key.as_str());
        match request.checksum_mode(ChecksumMode::Enabled).send().await {
            Ok(answer) => Ok(Some(Dropped {
                version_id: answer.version_id.unwrap_or_else(|| "null".to_owned()),
                size: answer
                    .content_length
                    .and_then(|len| u64::try_from(len).ok())
                    .unwrap_or_default(),
                content_type: answer.content_type,
                is_single_use: answer
                    .metadata
                    .is_some_and(|it| it.contains_key(SINGLE_USE)),
                body: answer.body,
            })),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(Unavailable::new("GetObject", &error)),
        }
    }

    /// A page of all versions of all keys, from the beginning or from [`DroppedVersions::next`] on.
    /// One ListObjectVersions.
    ///
    /// # Errors
    /// S3 does not answer.
    pub async fn all_versions(
        &self,
        from: Option<NextPage>,
    ) -> Result<DroppedVersions, Unavailable> {
        let (key, version_id) = from.map_or((None, None), |next| (Some(next.key), next.version_id));
        let answer = self
            .client()
            .list_object_versions()
            .bucket(self.name())
            .encoding_type(EncodingType::Url)
            .set_key_marker(key)
            .set_version_id_marker(version_id)
            .send()
            .await
            .map_err(|error| Unavailable::new("ListObjectVersions", &error))?;
        let decode =
            |key: Option<&str>| decoded(key.unwrap_or_default(), answer.encoding_type.as_ref());
        let objects = answer.versions().iter().map(|version| DroppedVersion {
            key: decode(version.key()),
            version: Version::of_object(version),
            is_delete_marker: false,
        });
        let markers = answer.delete_markers().iter().map(|marker| DroppedVersion {
            key: decode(marker.key()),
            version: Version::of_marker(marker),
            is_delete_marker: true,
        });
        let versions = objects.chain(markers).collect();
        let more = answer.is_truncated() == Some(true);
        let next = answer.next_key_marker().filter(|_| more);
        Ok(DroppedVersions {
            versions,
            next: next.map(|key| NextPage {
                key: decode(Some(key)),
                version_id: answer.next_version_id_marker().map(str::to_owned),
            }),
        })
    }
}

/// Without the keys, which hold file names.
impl fmt::Debug for DroppedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DroppedVersion")
            .field("version", &self.version)
            .field("is_delete_marker", &self.is_delete_marker)
            .finish_non_exhaustive()
    }
}

/// Without the key.
impl fmt::Debug for NextPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextPage").finish_non_exhaustive()
    }
}

/// Without the content.
impl fmt::Debug for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dropped")
            .field("version_id", &self.version_id)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
