//! GetObject and HeadObject.

use std::{ops::Range, sync::Arc};

use s3s::{S3Error, S3Request, S3Response, S3Result, dto::*, s3_error};

use super::{
    Api,
    conditions::ReadConditions,
    errors,
    output::{encryption, fill_checksum, fill_checksum_value, shown_version_id},
};
use crate::store::{
    StoreError,
    bucket::{Bucket as StoredBucket, NULL_VERSION, Version},
    record::{ObjectChecksum, ObjectRecord},
};

/// The output of a read: two types with the same fields.
macro_rules! output {
    ($output:ident, $found:expr) => {{
        let found: Readable = $found;
        let attributes = &found.object.attributes;
        let expires = attributes.expires.and_then(|at| u64::try_from(at).ok());
        let mut output = $output {
            accept_ranges: Some("bytes".to_owned()),
            cache_control: attributes.cache_control.clone(),
            content_disposition: attributes.content_disposition.clone(),
            content_encoding: attributes.content_encoding.clone(),
            content_language: attributes.content_language.clone(),
            content_length: i64::try_from(found.range.end - found.range.start).ok(),
            content_range: found.content_range,
            content_type: attributes.content_type.clone(),
            e_tag: Some(ETag::Strong(found.object.etag.clone())),
            expires: expires.map(|at| errors::timestamp(at * 1000)),
            last_modified: Some(errors::timestamp(found.version.record.created_ms)),
            metadata: Some(attributes.metadata.clone().into_iter().collect()),
            parts_count: found.parts_count,
            server_side_encryption: encryption(&found.version),
            storage_class: attributes.storage_class.clone().map(StorageClass::from),
            version_id: found.version_id,
            ..Default::default()
        };
        fill_checksum!(output, found.checksum.as_ref());
        output
    }};
}

/// Resolves a read: two types of input with the same fields.
macro_rules! readable {
    ($api:expr, $input:expr) => {
        Asked {
            bucket: &$input.bucket,
            key: &$input.key,
            version_id: $input.version_id.as_deref(),
            range: $input.range,
            part_number: $input.part_number,
            checksums: $input
                .checksum_mode
                .as_ref()
                .is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED),
            conditions: ReadConditions {
                if_match: $input.if_match.clone(),
                if_none_match: $input.if_none_match.clone(),
                if_modified_since: $input.if_modified_since.clone(),
                if_unmodified_since: $input.if_unmodified_since.clone(),
            },
        }
        .find($api)
    };
}

pub(super) async fn get_object(
    api: &Api,
    req: S3Request<GetObjectInput>,
) -> S3Result<S3Response<GetObjectOutput>> {
    let found = readable!(api, req.input)?;
    let reader = found.version.reader(found.range.clone());
    // A missing file must be found before the response begins.
    let (first, reader) = api.store.run(move || Ok(reader.open_first()?)).await?;
    let body = StreamingBlob::wrap(reader.into_stream(first));
    let tags = found.object.attributes.tags.len();
    let mut output = output!(GetObjectOutput, found);
    output.body = Some(body);
    output.tag_count = i32::try_from(tags).ok().filter(|count| *count > 0);
    Ok(S3Response::new(output))
}

pub(super) async fn head_object(
    api: &Api,
    req: S3Request<HeadObjectInput>,
) -> S3Result<S3Response<HeadObjectOutput>> {
    let found = readable!(api, req.input)?;
    let tags = found.object.attributes.tags.len();
    let mut response = S3Response::new(output!(HeadObjectOutput, found));
    if tags > 0 {
        response.headers.insert("x-amz-tagging-count", tags.into());
    }
    Ok(response)
}

/// An object that exists.
pub(super) struct Found {
    pub(super) version: Arc<Version>,
    pub(super) object: ObjectRecord,
}

/// Finds the current object, or the requested version.
pub(super) fn find(bucket: &StoredBucket, key: &str, id: Option<&str>) -> S3Result<Found> {
    let version = match id {
        None => bucket.current(key).ok_or(StoreError::NoSuchKey)?,
        Some(id) if is_version_id(id) => bucket
            .version(key, id)
            .ok_or_else(errors::no_such_version)?,
        Some(_) => return Err(s3_error!(InvalidArgument, "Invalid version id specified")),
    };
    match (version.object(), id) {
        (Some(object), _) => Ok(Found {
            object: object.clone(),
            version,
        }),
        (None, None) => Err(errors::current_is_delete_marker(&version)),
        (None, Some(_)) => Err(errors::version_is_delete_marker(&version)),
    }
}

/// The bytes of a version as a body.
pub(super) fn body(version: &Version, range: Range<u64>) -> S3Result<StreamingBlob> {
    Ok(StreamingBlob::wrap(version.reader(range).into_stream(None)))
}

/// The parameters of a read.
struct Asked<'a> {
    bucket: &'a str,
    key: &'a str,
    version_id: Option<&'a str>,
    range: Option<s3s::dto::Range>,
    part_number: Option<i32>,
    checksums: bool,
    conditions: ReadConditions,
}

/// The result of a read.
struct Readable {
    version: Arc<Version>,
    object: ObjectRecord,
    range: Range<u64>,
    content_range: Option<String>,
    parts_count: Option<i32>,
    version_id: Option<String>,
    checksum: Option<ObjectChecksum>,
}

impl Asked<'_> {
    fn find(self, api: &Api) -> S3Result<Readable> {
        let bucket = api.store.bucket(self.bucket)?;
        let Found { version, object } = find(&bucket, self.key, self.version_id)?;
        self.conditions.check(&object, version.record.created_ms)?;
        let size = object.size;
        let asked = match (self.range, self.part_number) {
            (Some(_), Some(_)) => {
                return Err(s3_error!(
                    InvalidRequest,
                    "Cannot specify both Range header and partNumber query parameter"
                ));
            }
            (Some(range), None) => {
                Some(range.check(size).map_err(|_| errors::invalid_range(size))?)
            }
            (None, Some(number)) => Some(part_range(&object, number)?),
            (None, None) => None,
        };
        let multipart = object.upload_id.is_some() && self.part_number.is_some();
        let range = asked.clone().unwrap_or(0..size);
        let content_range = asked.filter(|range| !range.is_empty());
        Ok(Readable {
            // S3 returns the checksum of a whole object only with the whole object.
            checksum: object
                .checksum
                .clone()
                .filter(|_| self.checksums && range == (0..size)),
            content_range: content_range
                .map(|range| format!("bytes {}-{}/{size}", range.start, range.end - 1)),
            parts_count: multipart
                .then(|| i32::try_from(object.blobs.len()).ok())
                .flatten(),
            version_id: shown_version_id(&bucket, &version),
            range,
            object,
            version,
        })
    }
}

/// The range of one part; an object of one PUT has part 1 only.
fn part_range(object: &ObjectRecord, number: i32) -> S3Result<Range<u64>> {
    let index = usize::try_from(number)
        .ok()
        .and_then(|number| number.checked_sub(1));
    let Some((index, part)) = index.and_then(|at| object.blobs.get(at).map(|part| (at, part)))
    else {
        let mut error: S3Error =
            s3_error!(InvalidPart, "The requested partnumber is not satisfiable");
        error.set_status_code(http::StatusCode::RANGE_NOT_SATISFIABLE);
        return Err(error);
    };
    let start = object.blobs.iter().take(index).map(|part| part.size).sum();
    Ok(start..start + part.size)
}

/// Whether this has the form of a version id.
fn is_version_id(id: &str) -> bool {
    id == NULL_VERSION || (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
