//! Writing and deleting objects.

use s3s::{S3Request, S3Response, S3Result, dto::*, s3_error};

use super::{
    Api,
    conditions::{self, ReadConditions},
    errors,
    output::{encryption, fill_checksum, fill_checksum_value, shown_version_id},
    reading,
    upload_body::Announced,
};
use crate::store::{
    NewObject,
    checksum::Algorithm,
    record::{Attributes, ChecksumKind, ObjectChecksum},
};

/// S3's limit for user metadata: names and values together, in bytes of UTF-8.
const MAX_METADATA_BYTES: usize = 2048;

/// The largest number of keys in one DeleteObjects.
const MAX_DELETES: usize = 1000;

pub(super) async fn put_object(
    api: &Api,
    mut req: S3Request<PutObjectInput>,
) -> S3Result<S3Response<PutObjectOutput>> {
    let bucket = api.store.bucket(&req.input.bucket)?;
    let announced = Announced::parse(&req)?;
    let precondition = conditions::of_write(&req.headers)?;
    let attributes = attributes!(req.input);
    refuse_unsupported!(req.input);
    // S3 computes this checksum if the client sends none.
    let algorithm = announced.algorithm.unwrap_or(Algorithm::Crc64Nvme);
    let place = bucket.place(&req.input.key);
    let body = req.input.body.take();
    let limit = api.max_object_bytes;
    let staged = api
        .store
        .stage(place, body, &[algorithm], announced.length, limit)
        .await?;
    announced.verify(&staged.digests)?;
    let object = NewObject {
        etag: hex::encode(staged.digests.md5),
        checksum: full_checksum(algorithm, staged.digests.checksum(algorithm)),
        attributes: attributes?,
        blobs: vec![(staged.blob, None)],
        upload_id: None,
    };
    let version = api
        .store
        .put(&bucket, &req.input.key, precondition, object)
        .await?;
    let mut output = PutObjectOutput {
        e_tag: version
            .object()
            .map(|object| ETag::Strong(object.etag.clone())),
        server_side_encryption: encryption(&version),
        version_id: shown_version_id(&bucket, &version),
        ..Default::default()
    };
    fill_checksum!(
        output,
        version.object().and_then(|object| object.checksum.as_ref())
    );
    Ok(S3Response::new(output))
}

pub(super) async fn copy_object(
    api: &Api,
    req: S3Request<CopyObjectInput>,
) -> S3Result<S3Response<CopyObjectOutput>> {
    let input = &req.input;
    let CopySource::Bucket {
        bucket,
        key,
        version_id,
    } = &input.copy_source
    else {
        return Err(s3_error!(
            NotImplemented,
            "Access points are not implemented"
        ));
    };
    let source_bucket = api.store.bucket(bucket)?;
    let source = reading::find(&source_bucket, key, version_id.as_deref())?;
    let (source, object) = (source.version, source.object);
    let conditions = ReadConditions {
        if_match: input.copy_source_if_match.clone(),
        if_none_match: input.copy_source_if_none_match.clone(),
        if_modified_since: input.copy_source_if_modified_since.clone(),
        if_unmodified_since: input.copy_source_if_unmodified_since.clone(),
    };
    // A copy is a write: where a read would return 304, a precondition has failed.
    let checked = conditions.check(&object, source.record.created_ms);
    checked.map_err(|_| errors::precondition_failed())?;
    let replace = match input
        .metadata_directive
        .as_ref()
        .map(MetadataDirective::as_str)
    {
        None | Some(MetadataDirective::COPY) => false,
        Some(MetadataDirective::REPLACE) => true,
        Some(_) => return Err(s3_error!(InvalidArgument, "Unknown metadata directive.")),
    };
    let onto_itself = **bucket == *input.bucket && **key == *input.key && version_id.is_none();
    if onto_itself && !replace {
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
    let attributes = if replace {
        attributes!(input)?
    } else {
        object.attributes.clone()
    };
    let recorded = object.checksum.as_ref().map(|checksum| checksum.algorithm);
    let asked = input
        .checksum_algorithm
        .as_ref()
        .and_then(|a| Algorithm::from_name(a.as_str()));
    let algorithm = asked.or(recorded).unwrap_or(Algorithm::Crc64Nvme);
    let body = reading::body(&source, 0..object.size)?;
    let place = target.place(&input.key);
    let size = Some(object.size);
    let staged = api
        .store
        .stage(place, Some(body), &[algorithm], size, api.max_object_bytes)
        .await?;
    let new = NewObject {
        etag: hex::encode(staged.digests.md5),
        checksum: full_checksum(algorithm, staged.digests.checksum(algorithm)),
        attributes,
        blobs: vec![(staged.blob, None)],
        upload_id: None,
    };
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
        copy_source_version_id: shown_version_id(&source_bucket, &source),
        server_side_encryption: encryption(&version),
        version_id: shown_version_id(&target, &version),
        ..Default::default()
    }))
}

pub(super) async fn delete_object(
    api: &Api,
    req: S3Request<DeleteObjectInput>,
) -> S3Result<S3Response<DeleteObjectOutput>> {
    let input = req.input;
    let bucket = api.store.bucket(&input.bucket)?;
    let precondition = conditions::of_delete(input.if_match);
    let deleted = match &input.version_id {
        None => api.store.delete(&bucket, &input.key, precondition).await?,
        Some(id) => {
            api.store
                .delete_version(&bucket, &input.key, id, precondition)
                .await?
        }
    };
    let output = DeleteObjectOutput {
        delete_marker: deleted.marker.then_some(true),
        version_id: deleted.version_id,
        ..Default::default()
    };
    Ok(S3Response::new(output))
}

pub(super) async fn delete_objects(
    api: &Api,
    req: S3Request<DeleteObjectsInput>,
) -> S3Result<S3Response<DeleteObjectsOutput>> {
    let bucket = api.store.bucket(&req.input.bucket)?;
    let Delete { objects, quiet } = req.input.delete;
    if objects.is_empty() || objects.len() > MAX_DELETES {
        return Err(s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published \
             schema"
        ));
    }
    let (mut done, mut errors) = (Vec::new(), Vec::new());
    for object in objects {
        let condition = object.e_tag.map(ETagCondition::ETag);
        let precondition = conditions::of_delete(condition);
        let deleted = match &object.version_id {
            None => api.store.delete(&bucket, &object.key, precondition).await,
            Some(id) => {
                api.store
                    .delete_version(&bucket, &object.key, id, precondition)
                    .await
            }
        };
        match deleted {
            Ok(deleted) => done.push(DeletedObject {
                delete_marker: deleted.marker.then_some(true),
                delete_marker_version_id: deleted.version_id.filter(|_| deleted.marker),
                key: Some(object.key),
                version_id: object.version_id,
            }),
            Err(error) => {
                let error = s3s::S3Error::from(error);
                errors.push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    key: Some(object.key),
                    message: error.message().map(str::to_owned),
                    version_id: object.version_id,
                });
            }
        }
    }
    let output = DeleteObjectsOutput {
        deleted: (!quiet.unwrap_or(false)).then_some(done),
        errors: Some(errors).filter(|errors| !errors.is_empty()),
        ..Default::default()
    };
    Ok(S3Response::new(output))
}

/// A checksum over all bytes.
pub(super) fn full_checksum(algorithm: Algorithm, value: Option<String>) -> Option<ObjectChecksum> {
    value.map(|value| ObjectChecksum {
        algorithm,
        kind: ChecksumKind::FullObject,
        value,
    })
}

/// Checks and completes the result of `attributes!`.
pub(super) fn checked_attributes(mut attributes: Attributes) -> S3Result<Attributes> {
    let length = |(name, value): (&String, &String)| name.len() + value.len();
    if attributes.metadata.iter().map(length).sum::<usize>() > MAX_METADATA_BYTES {
        return Err(s3_error!(
            MetadataTooLarge,
            "Your metadata headers exceed the maximum allowed metadata size"
        ));
    }
    // `aws-chunked` encodes the transfer, not the object.
    attributes.content_encoding = attributes.content_encoding.and_then(|encoding| {
        let kept = encoding
            .split(',')
            .map(str::trim)
            .filter(|part| *part != "aws-chunked");
        Some(kept.collect::<Vec<_>>().join(",")).filter(|kept| !kept.is_empty())
    });
    attributes.content_type = attributes
        .content_type
        .or(Some("binary/octet-stream".to_owned()));
    match attributes.server_side_encryption.as_deref() {
        None | Some(ServerSideEncryption::AES256) => Ok(attributes),
        Some(_) => Err(s3_error!(
            NotImplemented,
            "Server-side encryption with KMS keys is not implemented"
        )),
    }
}

/// The attributes in the input of a write.
macro_rules! attributes {
    ($input:expr) => {
        $crate::s3::objects::checked_attributes($crate::store::record::Attributes {
            cache_control: $input.cache_control.clone(),
            content_disposition: $input.content_disposition.clone(),
            content_encoding: $input.content_encoding.clone(),
            content_language: $input.content_language.clone(),
            content_type: $input.content_type.clone(),
            expires: $input
                .expires
                .clone()
                .map(|expires| time::OffsetDateTime::from(expires).unix_timestamp()),
            server_side_encryption: $input
                .server_side_encryption
                .as_ref()
                .map(|encryption| encryption.as_str().to_owned()),
            metadata: $input
                .metadata
                .clone()
                .unwrap_or_default()
                .into_iter()
                .collect(),
        })
    };
}

/// Refuses headers that matter for safety and would otherwise be ignored.
macro_rules! refuse_unsupported {
    ($input:expr) => {
        if $input.sse_customer_algorithm.is_some()
            || $input.sse_customer_key.is_some()
            || $input.object_lock_mode.is_some()
            || $input.object_lock_legal_hold_status.is_some()
        {
            return Err(s3s::s3_error!(
                NotImplemented,
                "A header you provided implies functionality that is not implemented"
            ));
        }
    };
}

pub(super) use {attributes, refuse_unsupported};
