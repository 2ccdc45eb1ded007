//! Multipart uploads.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>

use s3s::{S3Request, S3Response, S3Result, dto::*, s3_error};

use super::{
    Api,
    buckets::owner,
    completion::{choose_parts, object_checksum, part_number, verify_object},
    conditions,
    errors::timestamp,
    listing::{Encoding, page_size},
    objects::{attributes, refuse_access_lists, refuse_unsupported},
    output::{
        checksum_type, encryption, fill_checksum, fill_checksum_value, shown_version_id,
        storage_class,
    },
    upload_body::Announced,
};
use crate::store::{
    NewObject,
    checksum::{Algorithm, Hashes},
    now_ms,
    record::{Beginning, BlobRecord, ChecksumKind, PartRecord, UploadRecord},
    staging::Staged,
    upload::{Part as StoredPart, Upload},
};

pub(super) async fn create_multipart_upload(
    api: &Api,
    req: S3Request<CreateMultipartUploadInput>,
) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
    let input = req.input;
    let bucket = api.store.bucket(&input.bucket)?;
    refuse_unsupported!(input);
    let named = match input
        .checksum_algorithm
        .as_ref()
        .map(ChecksumAlgorithm::as_str)
    {
        None => None,
        Some(name) => Some(Algorithm::from_name(name).ok_or_else(|| {
            s3_error!(
                InvalidRequest,
                "Checksum algorithm provided is unsupported."
            )
        })?),
    };
    let algorithm = named.unwrap_or(Algorithm::Crc64Nvme);
    let kind = checksum_kind(algorithm, input.checksum_type.as_ref())?;
    let record = UploadRecord {
        key: input.key.clone(),
        created_ms: now_ms(),
        attributes: attributes!(input)?,
        algorithm_named: named.is_some(),
        algorithm,
        checksum_kind: kind,
        beginning: Beginning::default(),
    };
    let upload = api.store.create_upload(&bucket, record).await?;
    Ok(S3Response::new(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        checksum_algorithm: input.checksum_algorithm,
        checksum_type: named.map(|_| checksum_type(kind)),
        key: Some(input.key),
        server_side_encryption: input.server_side_encryption,
        upload_id: Some(upload.id.clone()),
        ..Default::default()
    }))
}

pub(super) async fn upload_part(
    api: &Api,
    mut req: S3Request<UploadPartInput>,
) -> S3Result<S3Response<UploadPartOutput>> {
    let announced = Announced::parse(&req)?;
    let bucket = api.store.bucket(&req.input.bucket)?;
    let upload = bucket.upload(&req.input.key, &req.input.upload_id)?;
    let number = part_number(req.input.part_number)?;
    let upload_algorithm = upload.record.algorithm;
    if let Some(given) = announced.algorithm
        && upload.record.algorithm_named
        && given != upload_algorithm
    {
        return Err(s3_error!(
            InvalidRequest,
            "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
            upload_algorithm.name().to_ascii_lowercase(),
            given.name().to_ascii_lowercase()
        ));
    }
    let given = announced.algorithm.unwrap_or(upload_algorithm);
    let place = bucket.place(&req.input.key);
    let body = req.input.body.take();
    let limit = api.max_object_bytes;
    let algorithms = [upload_algorithm, given];
    let staged = api
        .store
        .stage(place, body, &algorithms, announced.length, limit)
        .await?;
    announced.verify(&staged.digests)?;
    let checksum = staged.digests.checksum(given);
    let part = new_part(number, upload_algorithm, staged);
    let mut output = UploadPartOutput {
        e_tag: Some(ETag::Strong(part.record.etag.clone())),
        ..Default::default()
    };
    api.store.add_part(&bucket, &upload, part).await?;
    output.server_side_encryption = upload
        .record
        .attributes
        .server_side_encryption
        .clone()
        .map(ServerSideEncryption::from);
    fill_checksum_value!(output, given, checksum);
    Ok(S3Response::new(output))
}

pub(super) async fn complete_multipart_upload(
    api: &Api,
    req: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let precondition = conditions::of_write(&req.headers)?;
    let input = req.input;
    let bucket = api.store.bucket(&input.bucket)?;
    let upload = bucket.upload(&input.key, &input.upload_id)?;
    let parts = upload.parts().await?;
    let named = input
        .multipart_upload
        .as_ref()
        .and_then(|upload| upload.parts.as_deref());
    let chosen = choose_parts(&upload, &parts, named.unwrap_or_default())?;
    let checksum = object_checksum(&upload, &chosen);
    verify_object(&input, &chosen, checksum.as_ref())?;
    let mut etags = Hashes::new(&[]);
    for part in &chosen {
        etags.update(&hex::decode(&part.record.etag).unwrap_or_default());
    }
    let etag = format!("{}-{}", hex::encode(etags.finish().md5), chosen.len());
    let blobs = chosen
        .into_iter()
        .map(|part| (part.blob, part.record.blob.checksum));
    let object = NewObject {
        etag: etag.clone(),
        checksum,
        attributes: upload.record.attributes.clone(),
        blobs: blobs.collect(),
        upload_id: Some(upload.id.clone()),
        began: (upload.record.beginning.sequence)
            .map(|sequence| (sequence, upload.record.created_ms)),
    };
    let version = api
        .store
        .complete_upload(&bucket, &upload, parts, precondition, object)
        .await?;
    let mut output = CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket),
        e_tag: Some(ETag::Strong(etag)),
        key: Some(input.key),
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

pub(super) async fn abort_multipart_upload(
    api: &Api,
    req: S3Request<AbortMultipartUploadInput>,
) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
    let bucket = api.store.bucket(&req.input.bucket)?;
    let upload = bucket.upload(&req.input.key, &req.input.upload_id)?;
    api.store.abort_upload(&bucket, &upload).await?;
    Ok(S3Response::new(AbortMultipartUploadOutput::default()))
}

pub(super) async fn list_parts(
    api: &Api,
    req: S3Request<ListPartsInput>,
) -> S3Result<S3Response<ListPartsOutput>> {
    let input = req.input;
    let bucket = api.store.bucket(&input.bucket)?;
    let upload = bucket.upload(&input.key, &input.upload_id)?;
    let parts = upload.parts().await?;
    let max_parts = page_size(input.max_parts)?;
    let marker = input.part_number_marker.unwrap_or(0);
    let mut behind = parts
        .by_number
        .values()
        .filter(|part| i32::from(part.record.number) > marker);
    let limit = usize::try_from(max_parts).unwrap_or(0);
    let page: Vec<Part> = behind
        .by_ref()
        .take(limit)
        .map(|p| listed_part(&upload, p))
        .collect();
    let truncated = limit > 0 && behind.next().is_some();
    Ok(S3Response::new(ListPartsOutput {
        bucket: Some(input.bucket),
        checksum_algorithm: Some(ChecksumAlgorithm::from_static(
            upload.record.algorithm.name(),
        )),
        checksum_type: Some(checksum_type(upload.record.checksum_kind)),
        is_truncated: Some(truncated),
        key: Some(input.key),
        max_parts: Some(max_parts),
        next_part_number_marker: page.last().and_then(|part| part.part_number),
        owner: Some(owner()),
        part_number_marker: Some(marker),
        parts: Some(page),
        storage_class: Some(storage_class(&upload.record.attributes)),
        upload_id: Some(input.upload_id),
        ..Default::default()
    }))
}

pub(super) async fn list_multipart_uploads(
    api: &Api,
    req: S3Request<ListMultipartUploadsInput>,
) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
    let input = req.input;
    if input
        .delimiter
        .as_ref()
        .is_some_and(|delimiter| !delimiter.is_empty())
    {
        return Err(s3_error!(
            NotImplemented,
            "A delimiter is not implemented here"
        ));
    }
    let bucket = api.store.bucket(&input.bucket)?;
    let max_uploads = page_size(input.max_uploads)?;
    let encoding = Encoding::parse(input.encoding_type.as_ref())?;
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let key_marker = input.key_marker.as_deref().unwrap_or_default();
    let id_marker = input.upload_id_marker.as_deref().unwrap_or_default();
    let uploads = bucket.uploads();
    let mut behind = uploads.iter().filter(|upload| {
        let key = upload.record.key.as_str();
        // Without an id the marker's key itself has been listed.
        let passed = match key.cmp(key_marker) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => id_marker.is_empty() || upload.id.as_str() <= id_marker,
            std::cmp::Ordering::Greater => false,
        };
        key.starts_with(prefix) && (key_marker.is_empty() || !passed)
    });
    let limit = usize::try_from(max_uploads).unwrap_or(0);
    let page: Vec<_> = behind.by_ref().take(limit).collect();
    let truncated = limit > 0 && behind.next().is_some();
    let last = page.last().filter(|_| truncated);
    Ok(S3Response::new(ListMultipartUploadsOutput {
        encoding_type: input.encoding_type.clone(),
        is_truncated: Some(truncated),
        key_marker: Some(encoding.apply(key_marker)),
        max_uploads: Some(max_uploads),
        next_key_marker: last.map(|upload| encoding.apply(&upload.record.key)),
        next_upload_id_marker: last.map(|upload| upload.id.clone()),
        prefix: Some(encoding.apply(prefix)),
        upload_id_marker: Some(id_marker.to_owned()),
        uploads: Some(
            page.iter()
                .map(|upload| listed_upload(encoding, upload))
                .collect(),
        ),
        bucket: Some(input.bucket),
        ..Default::default()
    }))
}

/// A part whose bytes are durable, with its checksum by the upload's algorithm.
pub(super) fn new_part(number: u16, algorithm: Algorithm, staged: Staged) -> StoredPart {
    let record = PartRecord {
        number,
        created_ms: now_ms(),
        etag: hex::encode(staged.digests.md5),
        blob: BlobRecord {
            file: staged.blob.file_name(),
            size: staged.blob.size,
            checksum: staged.digests.checksum(algorithm),
        },
    };
    StoredPart {
        record,
        blob: staged.blob,
    }
}

/// The kind of checksum: composite by default, except that CRC-64/NVME always covers the whole object.
fn checksum_kind(algorithm: Algorithm, asked: Option<&ChecksumType>) -> S3Result<ChecksumKind> {
    let asked = match asked.map(ChecksumType::as_str) {
        None => None,
        Some(ChecksumType::FULL_OBJECT) => Some(ChecksumKind::FullObject),
        Some(ChecksumType::COMPOSITE) => Some(ChecksumKind::Composite),
        Some(_) => return Err(s3_error!(InvalidRequest, "Unknown checksum type.")),
    };
    match (algorithm, asked) {
        (Algorithm::Crc64Nvme, None) => Ok(ChecksumKind::FullObject),
        (_, None) => Ok(ChecksumKind::Composite),
        (Algorithm::Crc64Nvme, Some(kind @ ChecksumKind::Composite)) => {
            Err(unusable(algorithm, kind))
        }
        (Algorithm::Sha1 | Algorithm::Sha256, Some(kind @ ChecksumKind::FullObject)) => {
            Err(unusable(algorithm, kind))
        }
        (_, Some(kind)) => Ok(kind),
    }
}

fn unusable(algorithm: Algorithm, kind: ChecksumKind) -> s3s::S3Error {
    s3_error!(
        InvalidRequest,
        "The {} checksum type cannot be used with the {} checksum algorithm.",
        checksum_type(kind).as_str(),
        algorithm.name().to_ascii_lowercase()
    )
}

fn listed_part(upload: &Upload, part: &StoredPart) -> Part {
    let mut listed = Part {
        e_tag: Some(ETag::Strong(part.record.etag.clone())),
        last_modified: Some(timestamp(part.record.created_ms)),
        part_number: Some(i32::from(part.record.number)),
        size: i64::try_from(part.record.blob.size).ok(),
        ..Default::default()
    };
    fill_checksum_value!(
        listed,
        upload.record.algorithm,
        part.record.blob.checksum.clone()
    );
    listed
}

fn listed_upload(encoding: Encoding, upload: &Upload) -> MultipartUpload {
    MultipartUpload {
        checksum_algorithm: Some(ChecksumAlgorithm::from_static(
            upload.record.algorithm.name(),
        )),
        checksum_type: Some(checksum_type(upload.record.checksum_kind)),
        initiated: Some(timestamp(upload.record.created_ms)),
        key: Some(encoding.apply(&upload.record.key)),
        owner: Some(owner()),
        storage_class: Some(storage_class(&upload.record.attributes)),
        upload_id: Some(upload.id.clone()),
        ..Default::default()
    }
}
