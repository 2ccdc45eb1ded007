//! Fields that the outputs of several operations share.

use std::sync::Arc;

use s3s::dto::{ChecksumType, ServerSideEncryption, StorageClass};

use crate::store::{
    bucket::{Bucket, Version},
    record::{Attributes, ChecksumKind, Versioning},
};

/// The version id that clients see: none where versioning was never enabled.
pub(super) fn shown_version_id(bucket: &Bucket, version: &Arc<Version>) -> Option<String> {
    (bucket.versioning() != Versioning::Never).then(|| version.id().to_owned())
}

/// The encryption that the client requested, returned unchanged.
pub(super) fn encryption(version: &Version) -> Option<ServerSideEncryption> {
    let asked = version.object()?.attributes.server_side_encryption.clone();
    asked.map(ServerSideEncryption::from)
}

/// The storage class of an object or an upload.
pub(super) fn storage_class(attributes: &Attributes) -> StorageClass {
    let standard = || StorageClass::STANDARD.to_owned();
    StorageClass::from(attributes.storage_class.clone().unwrap_or_else(standard))
}

/// The name of a kind of checksum in headers and XML.
pub(super) fn checksum_type(kind: ChecksumKind) -> ChecksumType {
    ChecksumType::from_static(match kind {
        ChecksumKind::FullObject => ChecksumType::FULL_OBJECT,
        ChecksumKind::Composite => ChecksumType::COMPOSITE,
    })
}

/// Sets the checksum's type and the field of its algorithm.
macro_rules! fill_checksum {
    ($output:expr, $checksum:expr) => {
        if let Some(checksum) = $checksum {
            $output.checksum_type = Some($crate::s3::output::checksum_type(checksum.kind));
            fill_checksum_value!($output, checksum.algorithm, Some(checksum.value.clone()));
        }
    };
}

/// Sets the field of an algorithm.
macro_rules! fill_checksum_value {
    ($output:expr, $algorithm:expr, $value:expr) => {
        match $algorithm {
            $crate::store::checksum::Algorithm::Crc32 => $output.checksum_crc32 = $value,
            $crate::store::checksum::Algorithm::Crc32c => $output.checksum_crc32c = $value,
            $crate::store::checksum::Algorithm::Crc64Nvme => $output.checksum_crc64nvme = $value,
            $crate::store::checksum::Algorithm::Sha1 => $output.checksum_sha1 = $value,
            $crate::store::checksum::Algorithm::Sha256 => $output.checksum_sha256 = $value,
        }
    };
}

pub(super) use {fill_checksum, fill_checksum_value};
