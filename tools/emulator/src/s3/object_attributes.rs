//! GetObjectAttributes.

use s3s::{S3Request, S3Response, S3Result, dto::*, s3_error};

use super::{
    Api, errors,
    listing::page_size,
    output::{fill_checksum, fill_checksum_value, shown_version_id, storage_class},
    reading,
};
use crate::store::record::{ChecksumKind, ObjectRecord};

const NAMES: [&str; 5] = [
    ObjectAttributes::CHECKSUM,
    ObjectAttributes::ETAG,
    ObjectAttributes::OBJECT_PARTS,
    ObjectAttributes::OBJECT_SIZE,
    ObjectAttributes::STORAGE_CLASS,
];

pub(super) async fn get_object_attributes(
    api: &Api,
    req: S3Request<GetObjectAttributesInput>,
) -> S3Result<S3Response<GetObjectAttributesOutput>> {
    let input = req.input;
    let names = input
        .object_attributes
        .iter()
        .flat_map(|names| names.as_str().split(','));
    let names: Vec<_> = names.map(str::trim).collect();
    if names.iter().any(|name| !NAMES.contains(name)) {
        return Err(s3_error!(
            InvalidArgument,
            "Invalid attribute name specified."
        ));
    }
    let is_asked = |name: &str| names.contains(&name);
    let bucket = api.store.bucket(&input.bucket)?;
    let found = reading::find(&bucket, &input.key, input.version_id.as_deref())?;
    let object = found.object;
    let mut output = GetObjectAttributesOutput {
        last_modified: Some(errors::timestamp(found.version.record.created_ms)),
        version_id: shown_version_id(&bucket, &found.version),
        ..Default::default()
    };
    if is_asked(ObjectAttributes::ETAG) {
        output.e_tag = Some(ETag::Strong(object.etag.clone()));
    }
    if is_asked(ObjectAttributes::OBJECT_SIZE) {
        output.object_size = i64::try_from(object.size).ok();
    }
    if is_asked(ObjectAttributes::STORAGE_CLASS) {
        output.storage_class = Some(storage_class(&object.attributes));
    }
    if is_asked(ObjectAttributes::CHECKSUM) {
        let mut checksum = Checksum::default();
        fill_checksum!(checksum, object.checksum.as_ref());
        output.checksum = Some(checksum);
    }
    if is_asked(ObjectAttributes::OBJECT_PARTS) && object.upload_id.is_some() {
        let marker = input.part_number_marker.unwrap_or(0);
        output.object_parts = Some(parts(&object, marker, page_size(input.max_parts)?));
    }
    Ok(S3Response::new(output))
}

/// The number of parts and, if each has a checksum that counts, a page of them.
fn parts(object: &ObjectRecord, marker: i32, max_parts: i32) -> GetObjectAttributesParts {
    let mut output = GetObjectAttributesParts {
        total_parts_count: i32::try_from(object.blobs.len()).ok(),
        ..Default::default()
    };
    let checksum = object.checksum.as_ref();
    let Some(checksum) = checksum.filter(|c| c.kind == ChecksumKind::Composite) else {
        return output;
    };
    let mut behind = (1..)
        .zip(&object.blobs)
        .filter(|(number, _)| *number > marker);
    let limit = usize::try_from(max_parts).unwrap_or(0);
    let page = behind.by_ref().take(limit).map(|(number, blob)| {
        let mut part = ObjectPart {
            part_number: Some(number),
            size: i64::try_from(blob.size).ok(),
            ..Default::default()
        };
        fill_checksum_value!(part, checksum.algorithm, blob.checksum.clone());
        part
    });
    let page: Vec<_> = page.collect();
    output.is_truncated = Some(behind.next().is_some());
    output.max_parts = Some(max_parts);
    output.part_number_marker = Some(marker);
    output.next_part_number_marker = page.last().and_then(|part| part.part_number);
    output.parts = Some(page);
    output
}
