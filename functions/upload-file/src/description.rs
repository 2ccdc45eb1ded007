//! How a file is described in JSON.

use std::time::SystemTime;

use caas_aws::ObjectKey;
use caas_vault::ListedFile;
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The content type of a file whose uploader names none.
pub(crate) const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";

/// A stored file.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct StoredFile {
    /// What names the file in `/api/files/{id}`. Opaque.
    id: String,
    /// Its name.
    name: String,
    /// Its length in bytes.
    size: u64,
    /// The content type it was uploaded with.
    content_type: String,
    /// When it was stored.
    #[schema(format = DateTime)]
    created_at: String,
    /// How it is encrypted.
    algorithm: &'static str,
    /// The format it is stored in: AWS's own S3 Encryption Clients open it.
    format: &'static str,
}

impl StoredFile {
    pub(crate) fn new(
        key: &ObjectKey,
        size: u64,
        content_type: Option<String>,
        created_at: SystemTime,
    ) -> Self {
        Self {
            id: key.id(),
            name: key.file_name().to_owned(),
            size,
            content_type: content_type.unwrap_or_else(|| DEFAULT_CONTENT_TYPE.to_owned()),
            created_at: rfc3339(created_at),
            algorithm: "AES-256-GCM",
            format: "amazon-s3-encryption-client-v3",
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

/// A file in a listing.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct FileEntry {
    /// What names the file in `/api/files/{id}`. Opaque.
    id: String,
    /// Where it is among the client's files.
    path: String,
    /// Its name, the end of the path.
    name: String,
    /// Its length in bytes.
    size: u64,
    /// When it was stored.
    #[schema(format = DateTime)]
    created_at: String,
    /// Its ETag.
    etag: String,
}

impl From<ListedFile> for FileEntry {
    fn from(file: ListedFile) -> Self {
        Self {
            id: file.key.id(),
            path: file.key.path().to_owned(),
            name: file.key.file_name().to_owned(),
            size: file.size,
            created_at: rfc3339(file.last_modified),
            etag: file.e_tag,
        }
    }
}

/// In whole seconds, as S3 reports times.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    let time = time.replace_nanosecond(0).unwrap_or(time);
    time.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_rfc_3339_in_whole_seconds() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_225_600_999);
        assert_eq!(rfc3339(time), "2026-01-01T00:00:00Z");
    }
}
