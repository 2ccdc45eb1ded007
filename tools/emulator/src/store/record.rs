//! The JSON records: one file for every version, bucket, upload and part.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::checksum::Algorithm;

/// One version of one key, or a delete marker. This file is the commit point of every write.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VersionRecord {
    /// The object's key.
    pub(crate) key: String,
    /// Increases with every write to the store: the newer version has the higher number.
    pub(crate) sequence: u64,
    /// None is the null version, of which a key has at most one.
    pub(crate) version_id: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) created_ms: u64,
    /// None is a delete marker.
    pub(crate) object: Option<ObjectRecord>,
}

/// The object of a version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ObjectRecord {
    /// Total size of the blobs in bytes.
    pub(crate) size: u64,
    /// Without quotes: MD5 in hex, or `md5-N` for N parts.
    pub(crate) etag: String,
    /// The checksum that S3 validated or computed.
    pub(crate) checksum: Option<ObjectChecksum>,
    /// Headers and user metadata.
    pub(crate) attributes: Attributes,
    /// The bytes, in order: one blob, or one for each part of a multipart upload.
    pub(crate) blobs: Vec<BlobRecord>,
    /// The multipart upload that it was.
    pub(crate) upload_id: Option<String>,
}

impl ObjectRecord {
    /// The recorded checksum of each blob.
    pub(crate) fn blob_checksums(&self) -> impl Iterator<Item = Option<(Algorithm, &str)>> {
        let object = self.checksum.as_ref();
        let of_all = object.filter(|checksum| checksum.kind == ChecksumKind::FullObject);
        let of_one = of_all.filter(|_| self.blobs.len() == 1);
        self.blobs.iter().map(move |blob| {
            let value = blob.checksum.as_deref();
            let value = value.or(of_one.map(|checksum| checksum.value.as_str()))?;
            Some((object?.algorithm, value))
        })
    }
}

/// A checksum of a whole object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ObjectChecksum {
    pub(crate) algorithm: Algorithm,
    pub(crate) kind: ChecksumKind,
    /// Base64; a composite one ends in `-N`.
    pub(crate) value: String,
}

/// How the checksum of a multipart object is formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ChecksumKind {
    /// Over all bytes.
    FullObject,
    /// Over the checksums of the parts.
    Composite,
}

/// A file with bytes of one object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BlobRecord {
    /// The file's name within the folder of its key.
    pub(crate) file: String,
    pub(crate) size: u64,
    /// Of this part alone, in base64, by the object's algorithm.
    pub(crate) checksum: Option<String>,
}

/// Headers, metadata and tags of an object, returned unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Attributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<i64>,
    /// As requested; objects are not encrypted on disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_side_encryption: Option<String>,
    /// None is `STANDARD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) storage_class: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
    /// The only attribute that can change.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: BTreeMap<String, String>,
}

/// A bucket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BucketRecord {
    pub(crate) created_ms: u64,
    pub(crate) versioning: Versioning,
    /// What pages of other origins may do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) cors: Vec<CorsRuleRecord>,
}

/// One rule of a bucket's CORS configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CorsRuleRecord {
    pub(crate) id: Option<String>,
    /// With at most one `*` each, as in `allowed_headers`.
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) allowed_methods: Vec<String>,
    pub(crate) allowed_headers: Vec<String>,
    pub(crate) expose_headers: Vec<String>,
    pub(crate) max_age_seconds: Option<i32>,
}

/// A bucket's versioning. Once enabled it can only be suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Versioning {
    /// One null version of each key.
    Never,
    /// Every write adds a version.
    Enabled,
    /// Writes replace the null version and leave the others.
    Suspended,
}

/// A multipart upload in progress.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UploadRecord {
    pub(crate) key: String,
    pub(crate) created_ms: u64,
    pub(crate) attributes: Attributes,
    /// Whether the client named the algorithm; if not, S3 uses CRC-64/NVME.
    pub(crate) algorithm_named: bool,
    pub(crate) algorithm: Algorithm,
    pub(crate) checksum_kind: ChecksumKind,
    /// The key as it was when the upload began.
    #[serde(default)]
    pub(crate) beginning: Beginning,
}

/// A key at the beginning of an upload.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Beginning {
    /// There was an object.
    pub(crate) existed: bool,
    /// The place of the upload's version among those of the key.
    pub(crate) sequence: Option<u64>,
}

/// A part of a multipart upload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PartRecord {
    pub(crate) number: u16,
    pub(crate) created_ms: u64,
    /// MD5 in hex.
    pub(crate) etag: String,
    /// Its checksum has the upload's algorithm.
    pub(crate) blob: BlobRecord,
}
