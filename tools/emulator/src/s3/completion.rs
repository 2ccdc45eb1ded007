//! Checks before the parts of an upload become an object.

use s3s::{
    S3Result,
    dto::{ChecksumType, CompleteMultipartUploadInput, CompletedPart, ETag},
    s3_error,
};

use super::output::checksum_type;
use crate::store::{
    checksum::Algorithm,
    record::{ChecksumKind, ObjectChecksum},
    upload::{Part as StoredPart, Parts as StoredParts, Upload},
};

/// The minimum size of every part but the last.
const MIN_PART_BYTES: u64 = 5 * 1024 * 1024;

/// The highest part number.
const MAX_PART_NUMBER: u16 = 10_000;

/// The parts that the client names, once order, presence, entity tag, checksum and size are checked.
pub(super) fn choose_parts(
    upload: &Upload,
    parts: &StoredParts,
    named: &[CompletedPart],
) -> S3Result<Vec<StoredPart>> {
    if named.is_empty() {
        return Err(s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published \
             schema"
        ));
    }
    let mut chosen: Vec<StoredPart> = Vec::with_capacity(named.len());
    for (index, part) in named.iter().enumerate() {
        let number = part_number(part.part_number.unwrap_or(0))?;
        if chosen
            .last()
            .is_some_and(|last| last.record.number >= number)
        {
            return Err(s3_error!(
                InvalidPartOrder,
                "The list of parts was not in ascending order. Parts must be ordered by part \
                 number."
            ));
        }
        let stored = parts.by_number.get(&number).ok_or_else(invalid_part)?;
        let etag = part.e_tag.as_ref().map(ETag::value);
        if etag != Some(&stored.record.etag) || !part_checksum_matches(upload, stored, part)? {
            return Err(invalid_part());
        }
        if index + 1 < named.len() && stored.record.blob.size < MIN_PART_BYTES {
            return Err(s3_error!(
                EntityTooSmall,
                "Your proposed upload is smaller than the minimum allowed size"
            ));
        }
        chosen.push(stored.clone());
    }
    Ok(chosen)
}

/// Compares the client's checksum of a part with the stored one.
fn part_checksum_matches(
    upload: &Upload,
    stored: &StoredPart,
    part: &CompletedPart,
) -> S3Result<bool> {
    let algorithm = upload.record.algorithm;
    let given = match algorithm {
        Algorithm::Crc32 => &part.checksum_crc32,
        Algorithm::Crc32c => &part.checksum_crc32c,
        Algorithm::Crc64Nvme => &part.checksum_crc64nvme,
        Algorithm::Sha1 => &part.checksum_sha1,
        Algorithm::Sha256 => &part.checksum_sha256,
    };
    match given {
        Some(given) => Ok(Some(given) == stored.record.blob.checksum.as_ref()),
        None if upload.record.checksum_kind == ChecksumKind::Composite => Err(s3_error!(
            InvalidRequest,
            "The upload was created using a {} checksum. The complete request must include the \
             checksum for each part. It was missing for part {} in the request.",
            algorithm.name().to_ascii_lowercase(),
            stored.record.number
        )),
        None => Ok(true),
    }
}

fn invalid_part() -> s3s::S3Error {
    s3_error!(
        InvalidPart,
        "One or more of the specified parts could not be found. The part may not have been \
         uploaded, or the specified entity tag may not match the part's entity tag."
    )
}

/// The object's checksum from those of its parts.
pub(super) fn object_checksum(upload: &Upload, chosen: &[StoredPart]) -> Option<ObjectChecksum> {
    let (algorithm, kind) = (upload.record.algorithm, upload.record.checksum_kind);
    let of = |part: &StoredPart| part.record.blob.checksum.clone();
    let values: Option<Vec<String>> = chosen.iter().map(of).collect();
    let values = values?;
    let value = match kind {
        ChecksumKind::Composite => {
            let composite = algorithm.composite(values.iter().map(String::as_str))?;
            format!("{composite}-{}", chosen.len())
        }
        ChecksumKind::FullObject => {
            let sizes = chosen.iter().map(|part| part.record.blob.size);
            algorithm.combined(values.iter().map(String::as_str).zip(sizes))?
        }
    };
    Some(ObjectChecksum {
        algorithm,
        kind,
        value,
    })
}

/// Compares the client's size and checksum of the whole object with ours.
pub(super) fn verify_object(
    input: &CompleteMultipartUploadInput,
    chosen: &[StoredPart],
    checksum: Option<&ObjectChecksum>,
) -> S3Result<()> {
    let size: u64 = chosen.iter().map(|part| part.record.blob.size).sum();
    if input
        .mpu_object_size
        .is_some_and(|announced| u64::try_from(announced) != Ok(size))
    {
        return Err(s3_error!(
            InvalidRequest,
            "The provided 'x-amz-mp-object-size' header does not match what was computed."
        ));
    }
    let kind = input.checksum_type.as_ref().map(ChecksumType::as_str);
    let made = checksum.map(|checksum| checksum_type(checksum.kind));
    if kind.is_some() && kind != made.as_ref().map(ChecksumType::as_str) {
        return Err(s3_error!(
            InvalidRequest,
            "The complete request's checksum type is not the one of the upload."
        ));
    }
    let given = [
        (Algorithm::Crc32, &input.checksum_crc32),
        (Algorithm::Crc32c, &input.checksum_crc32c),
        (Algorithm::Crc64Nvme, &input.checksum_crc64nvme),
        (Algorithm::Sha1, &input.checksum_sha1),
        (Algorithm::Sha256, &input.checksum_sha256),
    ];
    for (algorithm, value) in given {
        let Some(value) = value else {
            continue;
        };
        if checksum.is_none_or(|made| made.algorithm != algorithm || made.value != *value) {
            return Err(s3_error!(
                BadDigest,
                "The {} you specified did not match the calculated checksum.",
                algorithm.name()
            ));
        }
    }
    Ok(())
}

/// The number of a part: 1 to 10,000.
pub(super) fn part_number(number: i32) -> S3Result<u16> {
    let number = u16::try_from(number).ok();
    number
        .filter(|number| (1..=MAX_PART_NUMBER).contains(number))
        .ok_or_else(|| {
            s3_error!(
                InvalidArgument,
                "Part number must be an integer between 1 and {MAX_PART_NUMBER}, inclusive"
            )
        })
}
