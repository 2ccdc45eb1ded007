//! Putting and deleting objects.

use s3s::{S3Request, S3Response, S3Result, dto::*, s3_error};

use super::{
    Api, conditions, errors,
    output::{encryption, fill_checksum, fill_checksum_value, shown_version_id},
    upload_body::Announced,
};
use crate::store::{
    NewObject,
    checksum::Algorithm,
    record::{Attributes, ChecksumKind, ObjectChecksum},
    staging::Staged,
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
    let attributes = attributes!(req.input)?;
    refuse_unsupported!(req.input);
    if req.input.write_offset_bytes.is_some() {
        return Err(errors::not_implemented());
    }
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
    let object = whole(staged, algorithm, attributes);
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

pub(super) async fn delete_object(
    api: &Api,
    req: S3Request<DeleteObjectInput>,
) -> S3Result<S3Response<DeleteObjectOutput>> {
    let input = req.input;
    let bucket = api.store.bucket(&input.bucket)?;
    if input.if_match_last_modified_time.is_some()
        || input.if_match_size.is_some()
        || input.mfa.is_some()
    {
        return Err(errors::not_implemented());
    }
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
    let conditional =
        |object: &ObjectIdentifier| object.last_modified_time.is_some() || object.size.is_some();
    if req.input.mfa.is_some() || objects.iter().any(conditional) {
        return Err(errors::not_implemented());
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

/// An object that was not sent in parts.
pub(super) fn whole(staged: Staged, algorithm: Algorithm, attributes: Attributes) -> NewObject {
    NewObject {
        etag: hex::encode(staged.digests.md5),
        checksum: full_checksum(algorithm, staged.digests.checksum(algorithm)),
        attributes,
        blobs: vec![(staged.blob, None)],
        upload_id: None,
        began: None,
    }
}

/// A checksum over all bytes.
fn full_checksum(algorithm: Algorithm, value: Option<String>) -> Option<ObjectChecksum> {
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
    Ok(attributes)
}

/// The encryption that a write asks for, which has no effect.
pub(super) fn asked_encryption(asked: Option<&ServerSideEncryption>) -> S3Result<Option<String>> {
    match asked.map(ServerSideEncryption::as_str) {
        None => Ok(None),
        Some(ServerSideEncryption::AES256) => Ok(Some(ServerSideEncryption::AES256.to_owned())),
        Some(_) => Err(s3_error!(
            NotImplemented,
            "Server-side encryption with KMS keys is not implemented"
        )),
    }
}

/// The storage class that a write asks for, which has no effect. Objects in an archive would have to be
/// restored before they can be read.
pub(super) fn asked_storage_class(asked: Option<&StorageClass>) -> S3Result<Option<String>> {
    match asked.map(StorageClass::as_str) {
        None | Some(StorageClass::STANDARD) => Ok(None),
        Some(
            class @ (StorageClass::GLACIER_IR
            | StorageClass::INTELLIGENT_TIERING
            | StorageClass::ONEZONE_IA
            | StorageClass::REDUCED_REDUNDANCY
            | StorageClass::STANDARD_IA),
        ) => Ok(Some(class.to_owned())),
        Some(StorageClass::DEEP_ARCHIVE | StorageClass::GLACIER) => Err(errors::not_implemented()),
        Some(_) => Err(s3_error!(
            InvalidStorageClass,
            "The storage class you specified is not valid"
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
            server_side_encryption: $crate::s3::objects::asked_encryption(
                $input.server_side_encryption.as_ref(),
            )?,
            storage_class: $crate::s3::objects::asked_storage_class($input.storage_class.as_ref())?,
            tags: $crate::s3::tagging::parse($input.tagging.as_deref())?,
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
            || $input.ssekms_key_id.is_some()
            || $input.ssekms_encryption_context.is_some()
            || $input.bucket_key_enabled == Some(true)
            || $input.object_lock_mode.is_some()
            || $input.object_lock_legal_hold_status.is_some()
            || $input.object_lock_retain_until_date.is_some()
            || $input.website_redirect_location.is_some()
        {
            return Err($crate::s3::errors::not_implemented());
        }
        refuse_access_lists!($input, ObjectCannedACL);
    };
}

/// Refuses access control lists, as S3 does for buckets whose owner owns every object.
macro_rules! refuse_access_lists {
    ($input:expr, $acl:ident $(, $grant:ident)?) => {
        let private = ["private", "bucket-owner-full-control"];
        let acl = $input.acl.as_ref().map($acl::as_str);
        if acl.is_some_and(|acl| !private.contains(&acl))
            || $input.grant_full_control.is_some()
            || $input.grant_read.is_some()
            || $input.grant_read_acp.is_some()
            || $input.grant_write_acp.is_some()
            $(|| $input.$grant.is_some())?
        {
            return Err(s3s::s3_error!(
                AccessControlListNotSupported,
                "The bucket does not allow ACLs"
            ));
        }
    };
}

pub(super) use {attributes, refuse_access_lists, refuse_unsupported};
