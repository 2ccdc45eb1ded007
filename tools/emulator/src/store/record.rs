//! What is kept beside an object's bytes: one JSON file for every version.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::checksum::Algorithm;

/// One version of one key, or a delete marker. This file is the commit point of every write.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VersionRecord {
    /// The object's key.
    pub(crate) key: String,
    /// Rises with every write of the whole store: of two versions the higher one is newer.
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
    /// Bytes in all blobs.
    pub(crate) size: u64,
    /// Without quotes: MD5 in hex, or `md5-N` for N parts.
    pub(crate) etag: String,
    /// The checksum that S3 validated or computed.
    pub(crate) checksum: Option<ObjectChecksum>,
    /// Headers and user metadata.
    pub(crate) attributes: Attributes,
    /// The bytes, in order: one blob, or one for each part of a multipart upload.
    pub(crate) blobs: Vec<BlobRecord>,
    /// The multipart upload it came from.
    pub(crate) upload_id: Option<String>,
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

/// What a client said about an object, given back as it came.
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
    /// What was asked for. Nothing is encrypted on this disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_side_encryption: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
}

/// A bucket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BucketRecord {
    pub(crate) created_ms: u64,
    pub(crate) versioning: Versioning,
}

/// A bucket's versioning. It can be suspended, but never unset again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Versioning {
    /// One null version of each key.
    Never,
    /// Every write adds a version.
    Enabled,
    /// Writes replace the null version and leave the others.
    Suspended,
}

/// A multipart upload under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UploadRecord {
    pub(crate) key: String,
    pub(crate) created_ms: u64,
    pub(crate) attributes: Attributes,
    /// Whether the client named the algorithm; if not, S3 uses CRC-64/NVME.
    pub(crate) algorithm_named: bool,
    pub(crate) algorithm: Algorithm,
    pub(crate) checksum_kind: ChecksumKind,
}

/// A part of a multipart upload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PartRecord {
    pub(crate) number: u16,
    pub(crate) created_ms: u64,
    /// MD5 in hex.
    pub(crate) etag: String,
    /// Its checksum is by the upload's algorithm.
    pub(crate) blob: BlobRecord,
}
