//! The versions of one object.

use std::{fmt, sync::Arc, time::SystemTime};

use aws_sdk_s3::{
    Client,
    primitives::DateTime,
    types::{DeleteMarkerEntry, EncodingType, ObjectVersion},
};

use crate::{ObjectKey, listing::decoded, vault::Unavailable};

/// A bucket with versioning, one object at a time. (Without versioning there is one version, named
/// `null`.)
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

    /// The client of S3.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// All versions of exactly this key; never those of a longer key that begins with it.
    ///
    /// # Errors
    /// S3 does not answer.
    pub async fn versions(&self, key: &ObjectKey) -> Result<Versions, Unavailable> {
        let mut found = Versions::default();
        let mut marker = (None, None);
        loop {
            let answer = self
                .client
                .list_object_versions()
                .bucket(self.name())
                .prefix(key.as_str())
                .encoding_type(EncodingType::Url)
                .set_key_marker(marker.0)
                .set_version_id_marker(marker.1)
                .send()
                .await
                .map_err(|error| Unavailable::new("ListObjectVersions", &error))?;
            let encoding = answer.encoding_type.clone();
            let decode = |key: Option<&str>| decoded(key.unwrap_or_default(), encoding.as_ref());

            for version in answer.versions() {
                if decode(version.key()) == key.as_str() {
                    found.objects.push(Version::of_object(version));
                }
            }
            for version in answer.delete_markers() {
                if decode(version.key()) == key.as_str() {
                    found.delete_markers.push(Version::of_marker(version));
                }
            }
            // The key itself comes before every longer one: once the listing is past it, it is
            // complete.
            let next = answer.next_key_marker().map(|next| decode(Some(next)));
            if answer.is_truncated() != Some(true) || next.as_deref() != Some(key.as_str()) {
                return Ok(found);
            }
            marker = (next, answer.next_version_id_marker);
        }
    }

    /// Deletes the object: with versioning, puts a delete marker over it and answers the marker's
    /// version.
    ///
    /// # Errors
    /// S3 does not answer.
    pub async fn delete(&self, key: &ObjectKey) -> Result<Option<String>, Unavailable> {
        let request = self.client.delete_object().bucket(self.name());
        match request.key(key.as_str()).send().await {
            Ok(answer) => Ok(answer.version_id),
            Err(error) => Err(Unavailable::new("DeleteObject", &error)),
        }
    }

    /// Removes one version for good. Removing what is gone is no error.
    ///
    /// # Errors
    /// S3 does not answer.
    pub async fn remove(&self, key: &ObjectKey, version_id: &str) -> Result<(), Unavailable> {
        let request = self.client.delete_object().bucket(self.name());
        let request = request.key(key.as_str()).version_id(version_id);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(Unavailable::new("DeleteObject", &error)),
        }
    }

    /// Removes exactly these versions of a key for good, but not the delete markers: the oldest first,
    /// and the current one last, so that no older version becomes the current one. What was put since
    /// they were listed stays.
    ///
    /// # Errors
    /// S3 does not answer; some versions may be gone.
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

    /// Does the same, and then removes the delete markers.
    ///
    /// # Errors
    /// S3 does not answer; some versions may be gone.
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

/// One version, or one delete marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// What names it.
    pub version_id: String,
    /// Whether it is what a plain read sees.
    pub is_latest: bool,
    /// When it was stored.
    pub last_modified: SystemTime,
    /// Its length in bytes; 0 for a delete marker.
    pub size: u64,
    /// Its ETag with the quotes; empty for a delete marker.
    pub e_tag: String,
}

impl Version {
    pub(crate) fn of_object(version: &ObjectVersion) -> Self {
        Self::new(
            version.version_id(),
            version.is_latest(),
            version.last_modified(),
            version.size(),
            version.e_tag(),
        )
    }

    pub(crate) fn of_marker(marker: &DeleteMarkerEntry) -> Self {
        Self::new(
            marker.version_id(),
            marker.is_latest(),
            marker.last_modified(),
            None,
            None,
        )
    }

    fn new(
        version_id: Option<&str>,
        is_latest: Option<bool>,
        last_modified: Option<&DateTime>,
        size: Option<i64>,
        e_tag: Option<&str>,
    ) -> Self {
        Self {
            version_id: version_id.unwrap_or("null").to_owned(),
            is_latest: is_latest == Some(true),
            last_modified: last_modified
                .and_then(|time| SystemTime::try_from(*time).ok())
                .unwrap_or(SystemTime::UNIX_EPOCH),
            size: size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            e_tag: e_tag.unwrap_or_default().to_owned(),
        }
    }
}
