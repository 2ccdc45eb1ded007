//! A bucket with versioning.

use std::{fmt, sync::Arc, time::SystemTime};

use aws_sdk_s3::{
    Client,
    types::{DeleteMarkerEntry, EncodingType, ObjectVersion},
};

use crate::{
    ObjectKey, Unavailable,
    s3_response::{decode_key, length, time},
};

/// A bucket with versioning. (Without versioning, every object has one version, named `null`.)
///
/// Cheap to clone.
#[derive(Clone)]
pub struct VersionedBucket {
    client: Client,
    name: Arc<str>,
}

impl VersionedBucket {
    /// The bucket of this name.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self {
            client,
            name: name.into().into(),
        }
    }

    /// The bucket's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The S3 client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// All versions of exactly this key; never those of a longer key that begins with it.
    ///
    /// # Errors
    /// S3 is not available.
    pub async fn versions(&self, key: &ObjectKey) -> Result<Versions, Unavailable> {
        let mut found = Versions::default();
        let mut from = None;
        loop {
            let page = self.page(key.as_str(), None, from).await?;
            for listed in page.versions {
                match listed.key == key.as_str() {
                    true if listed.is_delete_marker => found.delete_markers.push(listed.version),
                    true => found.objects.push(listed.version),
                    false => {}
                }
            }
            // The key itself sorts before every longer one: past it, the listing is complete.
            from = page.next.filter(|next| next.key == key.as_str());
            if from.is_none() {
                return Ok(found);
            }
        }
    }

    /// A page of all versions of the keys that begin with `prefix`, from the beginning or from
    /// [`VersionsPage::next`]. One ListObjectVersions.
    ///
    /// # Errors
    /// S3 is not available.
    pub async fn all_versions(
        &self,
        prefix: &str,
        from: Option<NextPage>,
    ) -> Result<VersionsPage, Unavailable> {
        self.page(prefix, None, from).await
    }

    /// A page of the folders at the top of the bucket, and of all versions of the keys next to them,
    /// from the beginning or from [`VersionsPage::next`]. One ListObjectVersions.
    ///
    /// # Errors
    /// S3 is not available.
    pub async fn top(&self, from: Option<NextPage>) -> Result<VersionsPage, Unavailable> {
        self.page("", Some("/"), from).await
    }

    async fn page(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
        from: Option<NextPage>,
    ) -> Result<VersionsPage, Unavailable> {
        let (key, version_id) = from.map_or((None, None), |next| (Some(next.key), next.version_id));
        let response = self
            .client
            .list_object_versions()
            .bucket(self.name())
            .prefix(prefix)
            .set_delimiter(delimiter.map(str::to_owned))
            .encoding_type(EncodingType::Url)
            .set_key_marker(key)
            .set_version_id_marker(version_id)
            .send()
            .await
            .map_err(|error| Unavailable::new("ListObjectVersions", &error))?;
        let encoding = response.encoding_type.as_ref();
        let decode = |key: Option<&str>| decode_key(key.unwrap_or_default(), encoding);
        let listed = |key, version, is_delete_marker| ListedVersion {
            key: decode(key),
            version,
            is_delete_marker,
        };
        let (objects, markers) = (response.versions(), response.delete_markers());
        let objects = objects.iter().map(|v| listed(v.key(), v.into(), false));
        let markers = markers.iter().map(|v| listed(v.key(), v.into(), true));
        let prefixes = response.common_prefixes().iter();
        let more = response.is_truncated() == Some(true);
        let next = response.next_key_marker().filter(|_| more);
        Ok(VersionsPage {
            versions: objects.chain(markers).collect(),
            folders: prefixes.map(|prefix| decode(prefix.prefix())).collect(),
            next: next.map(|key| NextPage {
                key: decode(Some(key)),
                version_id: response.next_version_id_marker().map(str::to_owned),
            }),
        })
    }

    /// The multipart uploads in progress to keys that begin with `prefix`, as far as they are wanted.
    ///
    /// # Errors
    /// S3 is not available.
    pub async fn uploads(
        &self,
        prefix: &str,
        wanted: impl Fn(&ListedUpload) -> bool,
    ) -> Result<Vec<ListedUpload>, Unavailable> {
        let mut uploads = Vec::new();
        let mut from = (None, None);
        loop {
            let response = self
                .client
                .list_multipart_uploads()
                .bucket(self.name())
                .prefix(prefix)
                .encoding_type(EncodingType::Url)
                .set_key_marker(from.0)
                .set_upload_id_marker(from.1)
                .send()
                .await
                .map_err(|error| Unavailable::new("ListMultipartUploads", &error))?;
            let decode = |key: &str| decode_key(key, response.encoding_type.as_ref());
            let listed = response.uploads().iter().filter_map(|upload| {
                Some(ListedUpload {
                    key: decode(upload.key()?),
                    upload_id: upload.upload_id()?.to_owned(),
                    began: time(Some(upload.initiated?)),
                })
            });
            uploads.extend(listed.filter(&wanted));
            let next_key = response.next_key_marker().map(decode);
            if response.is_truncated() != Some(true) || next_key.is_none() {
                return Ok(uploads);
            }
            from = (next_key, response.next_upload_id_marker);
        }
    }

    /// Deletes the object: with versioning, adds a delete marker and returns its version.
    ///
    /// # Errors
    /// S3 is not available.
    pub async fn delete(&self, key: &ObjectKey) -> Result<Option<String>, Unavailable> {
        let request = self.client.delete_object().bucket(self.name());
        match request.key(key.as_str()).send().await {
            Ok(response) => Ok(response.version_id),
            Err(error) => Err(Unavailable::new("DeleteObject", &error)),
        }
    }

    /// Removes one version permanently. Removing an absent version is no error.
    ///
    /// # Errors
    /// S3 is not available.
    pub async fn remove(&self, key: &ObjectKey, version_id: &str) -> Result<(), Unavailable> {
        let request = self.client.delete_object().bucket(self.name());
        let request = request.key(key.as_str()).version_id(version_id);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(Unavailable::new("DeleteObject", &error)),
        }
    }

    /// Permanently removes exactly these versions of a key, but not the delete markers: the oldest
    /// first and the current one last, so that no older version becomes current. Versions put after
    /// the listing stay.
    ///
    /// # Errors
    /// S3 is not available; some versions may be gone.
    pub async fn remove_objects(
        &self,
        key: &ObjectKey,
        versions: &Versions,
    ) -> Result<(), Unavailable> {
        let oldest_first = versions.objects.iter().rev();
        let (current, older): (Vec<_>, Vec<_>) =
            oldest_first.partition(|version| version.is_latest);
        for version in older.into_iter().chain(current) {
            self.remove(key, &version.version_id).await?;
        }
        Ok(())
    }

    /// As [`remove_objects`](Self::remove_objects), and then removes the delete markers.
    ///
    /// # Errors
    /// S3 is not available; some versions may be gone.
    pub async fn remove_all(
        &self,
        key: &ObjectKey,
        versions: &Versions,
    ) -> Result<(), Unavailable> {
        self.remove_objects(key, versions).await?;
        for marker in &versions.delete_markers {
            self.remove(key, &marker.version_id).await?;
        }
        Ok(())
    }
}

impl fmt::Debug for VersionedBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VersionedBucket")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The versions of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// Those with content, the newest first.
    pub objects: Vec<Version>,
    /// The delete markers, the newest first.
    pub delete_markers: Vec<Version>,
}

/// One version or delete marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its id.
    pub version_id: String,
    /// Whether a read without a version id returns it.
    pub is_latest: bool,
    /// When it was stored.
    pub last_modified: SystemTime,
    /// Its length in bytes; 0 for a delete marker.
    pub size: u64,
    /// Its ETag with the quotes; empty for a delete marker.
    pub e_tag: String,
}

impl From<&ObjectVersion> for Version {
    fn from(version: &ObjectVersion) -> Self {
        Self {
            version_id: version.version_id().unwrap_or("null").to_owned(),
            is_latest: version.is_latest() == Some(true),
            last_modified: time(version.last_modified),
            size: length(version.size),
            e_tag: version.e_tag().unwrap_or_default().to_owned(),
        }
    }
}

impl From<&DeleteMarkerEntry> for Version {
    fn from(marker: &DeleteMarkerEntry) -> Self {
        Self {
            version_id: marker.version_id().unwrap_or("null").to_owned(),
            is_latest: marker.is_latest() == Some(true),
            last_modified: time(marker.last_modified),
            size: 0,
            e_tag: String::new(),
        }
    }
}

/// A page of all versions in a bucket.
pub struct VersionsPage {
    /// First the versions, then the delete markers, each in the order of their keys.
    pub versions: Vec<ListedVersion>,
    /// The folders of [`VersionedBucket::top`], each with a slash at its end.
    pub folders: Vec<String>,
    /// Where the next page begins, if there is one.
    pub next: Option<NextPage>,
}

/// One version in a listing of many keys.
pub struct ListedVersion {
    /// The key, which may not be an [`ObjectKey`].
    pub key: String,
    /// The version.
    pub version: Version,
    /// Whether it is a delete marker.
    pub is_delete_marker: bool,
}

/// A multipart upload in progress.
pub struct ListedUpload {
    /// The key, which may not be an [`ObjectKey`].
    pub key: String,
    /// Its id.
    pub upload_id: String,
    /// When it began, which will be the date of the object.
    pub began: SystemTime,
}

/// Where a page begins.
pub struct NextPage {
    key: String,
    version_id: Option<String>,
}

/// Without the folders, which may be anything.
impl fmt::Debug for VersionsPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VersionsPage")
            .field("versions", &self.versions)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// Without the key.
impl fmt::Debug for ListedUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListedUpload")
            .field("began", &self.began)
            .finish_non_exhaustive()
    }
}

/// Without the key, which contains a file name.
impl fmt::Debug for ListedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListedVersion")
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
