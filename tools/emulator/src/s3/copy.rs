//! Copying objects and parts of them.

use std::{ops::Range, sync::Arc};

use s3s::{S3Request, S3Response, S3Result, dto::*, s3_error};

use super::{
    Api,
    completion::part_number,
    conditions::{self, ReadConditions},
    errors,
    multipart::new_part,
    objects::{attributes, refuse_access_lists, refuse_unsupported, whole},
    output::{encryption, fill_checksum, fill_checksum_value, shown_version_id},
    reading,
};
use crate::store::{
    bucket::{Bucket as StoredBucket, Version},
    checksum::Algorithm,
    record::{Attributes, ObjectRecord},
};

/// The source in the input of a copy, if its conditions hold.
macro_rules! source {
    ($api:expr, $input:expr) => {{
        if $input.copy_source_sse_customer_algorithm.is_some()
            || $input.sse_customer_algorithm.is_some()
        {
            return Err(errors::not_implemented());
        }
        let conditions = ReadConditions {
            if_match: $input.copy_source_if_match.clone(),
            if_none_match: $input.copy_source_if_none_match.clone(),
            if_modified_since: $input.copy_source_if_modified_since.clone(),
            if_unmodified_since: $input.copy_source_if_unmodified_since.clone(),
        };
        Source::find($api, &$input.copy_source, &conditions)?
    }};
}

pub(super) async fn copy_object(
    api: &Api,
    req: S3Request<CopyObjectInput>,
) -> S3Result<S3Response<CopyObjectOutput>> {
    let input = &req.input;
    let source = source!(api, input);
    let object = &source.object;
    let replace = match input
        .metadata_directive
        .as_ref()
        .map(MetadataDirective::as_str)
    {
        None | Some(MetadataDirective::COPY) => false,
        Some(MetadataDirective::REPLACE) => true,
        Some(_) => return Err(s3_error!(InvalidArgument, "Unknown metadata directive.")),
    };
    let onto_itself = source.bucket.name() == input.bucket
        && source.version.record.key == input.key
        && matches!(
            &input.copy_source,
            CopySource::Bucket {
                version_id: None,
                ..
            }
        );
    let changes =
        replace || input.storage_class.is_some() || input.server_side_encryption.is_some();
    if onto_itself && !changes {
        return Err(s3_error!(
            InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without \
             changing the object's metadata, storage class, website redirect location or \
             encryption attributes."
        ));
    }
    refuse_unsupported!(input);
    let target = api.store.bucket(&input.bucket)?;
    let precondition = conditions::of_write(&req.headers)?;
    let asked = attributes!(input)?;
    let kept = &object.attributes;
    let attributes = Attributes {
        tags: match input
            .tagging_directive
            .as_ref()
            .map(TaggingDirective::as_str)
        {
            None | Some(TaggingDirective::COPY) => kept.tags.clone(),
            Some(TaggingDirective::REPLACE) => asked.tags.clone(),
            Some(_) => return Err(s3_error!(InvalidArgument, "Unknown tagging directive.")),
        },
        // As in S3, these two are not the source's.
        storage_class: asked.storage_class.clone(),
        server_side_encryption: asked.server_side_encryption.clone(),
        ..if replace { asked } else { kept.clone() }
    };
    let recorded = object.checksum.as_ref().map(|checksum| checksum.algorithm);
    let asked = input
        .checksum_algorithm
        .as_ref()
        .and_then(|a| Algorithm::from_name(a.as_str()));
    let algorithm = asked.or(recorded).unwrap_or(Algorithm::Crc64Nvme);
    let body = reading::body(&source.version, 0..object.size)?;
    let place = target.place(&input.key);
    let size = Some(object.size);
    let staged = api
        .store
        .stage(place, Some(body), &[algorithm], size, api.max_object_bytes)
        .await?;
    let new = whole(staged, algorithm, attributes);
    let version = api
        .store
        .put(&target, &input.key, precondition, new)
        .await?;
    let mut result = CopyObjectResult {
        e_tag: version
            .object()
            .map(|object| ETag::Strong(object.etag.clone())),
        last_modified: Some(errors::timestamp(version.record.created_ms)),
        ..Default::default()
    };
    fill_checksum!(
        result,
        version.object().and_then(|object| object.checksum.as_ref())
    );
    Ok(S3Response::new(CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id: shown_version_id(&source.bucket, &source.version),
        server_side_encryption: encryption(&version),
        version_id: shown_version_id(&target, &version),
        ..Default::default()
    }))
}

pub(super) async fn upload_part_copy(
    api: &Api,
    req: S3Request<UploadPartCopyInput>,
) -> S3Result<S3Response<UploadPartCopyOutput>> {
    let input = req.input;
    let source = source!(api, input);
    let range = match &input.copy_source_range {
        None => 0..source.object.size,
        Some(range) => source_range(range, source.object.size)?,
    };
    let bucket = api.store.bucket(&input.bucket)?;
    let upload = bucket.upload(&input.key, &input.upload_id)?;
    let number = part_number(input.part_number)?;
    let algorithm = upload.record.algorithm;
    let length = Some(range.end - range.start);
    let body = reading::body(&source.version, range)?;
    let place = bucket.place(&input.key);
    let staged = api
        .store
        .stage(
            place,
            Some(body),
            &[algorithm],
            length,
            api.max_object_bytes,
        )
        .await?;
    let checksum = staged.digests.checksum(algorithm);
    let part = new_part(number, algorithm, staged);
    let mut result = CopyPartResult {
        e_tag: Some(ETag::Strong(part.record.etag.clone())),
        last_modified: Some(errors::timestamp(part.record.created_ms)),
        ..Default::default()
    };
    api.store.add_part(&bucket, &upload, part).await?;
    fill_checksum_value!(result, algorithm, checksum);
    let encryption = upload.record.attributes.server_side_encryption.clone();
    Ok(S3Response::new(UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: shown_version_id(&source.bucket, &source.version),
        server_side_encryption: encryption.map(ServerSideEncryption::from),
        ..Default::default()
    }))
}

/// What is copied.
struct Source {
    bucket: Arc<StoredBucket>,
    version: Arc<Version>,
    object: ObjectRecord,
}

impl Source {
    fn find(api: &Api, source: &CopySource, conditions: &ReadConditions) -> S3Result<Self> {
        let CopySource::Bucket {
            bucket,
            key,
            version_id,
        } = source
        else {
            return Err(s3_error!(
                NotImplemented,
                "Access points are not implemented"
            ));
        };
        let bucket = api.store.bucket(bucket)?;
        let found = reading::find(&bucket, key, version_id.as_deref())?;
        // A copy is a write: where a read would return 304, a precondition has failed.
        let checked = conditions.check(&found.object, found.version.record.created_ms);
        checked.map_err(|_| errors::precondition_failed())?;
        Ok(Self {
            bucket,
            version: found.version,
            object: found.object,
        })
    }
}

/// `bytes=first-last`, both within the source.
fn source_range(range: &str, size: u64) -> S3Result<Range<u64>> {
    let Ok(s3s::dto::Range::Int {
        first,
        last: Some(last),
    }) = s3s::dto::Range::parse(range)
    else {
        return Err(s3_error!(
            InvalidArgument,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first \
             and last are the zero-based offsets of the first and last bytes to copy"
        ));
    };
    if last < size {
        return Ok(first..last + 1);
    }
    Err(s3_error!(
        InvalidArgument,
        "Range specified is not valid for source object of size: {size}"
    ))
}
