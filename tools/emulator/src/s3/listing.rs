//! ListObjectsV2, ListObjects and ListObjectVersions.

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::{S3Request, S3Response, S3Result, dto::*, s3_error};

use super::{
    Api,
    buckets::owner,
    errors::timestamp,
    output::{checksum_type, storage_class},
    walk::{Entry, Page, Walk},
};
use crate::store::bucket::Version;

/// The most entries on one page.
pub(super) const MAX_ENTRIES: i32 = 1000;

/// The characters that `encoding-type=url` does not encode.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/');

pub(super) async fn list_objects_v2(
    api: &Api,
    req: S3Request<ListObjectsV2Input>,
) -> S3Result<S3Response<ListObjectsV2Output>> {
    let input = req.input;
    let bucket = api.store.bucket(&input.bucket)?;
    let max_keys = page_size(input.max_keys)?;
    let encoding = Encoding::parse(input.encoding_type.as_ref())?;
    let after = match (&input.continuation_token, &input.start_after) {
        (Some(token), _) => Some(Entry::from_token(token)?),
        (None, Some(key)) if !key.is_empty() => Some(Entry::Key(key.clone())),
        (None, _) => None,
    };
    let walk = Walk::new(
        input.prefix.as_deref(),
        input.delimiter.as_deref(),
        max_keys,
    );
    let page = walk.current(&bucket.index(), after);
    let (mut contents, common_prefixes) = rows(&page, encoding);
    if input.fetch_owner == Some(true) {
        for object in &mut contents {
            object.owner = Some(owner());
        }
    }
    let next = page
        .entries
        .last()
        .filter(|_| page.truncated)
        .map(|(entry, _)| entry.to_token());
    Ok(S3Response::new(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(encoding.apply(walk.prefix)),
        max_keys: Some(max_keys),
        key_count: i32::try_from(page.entries.len()).ok(),
        continuation_token: input.continuation_token,
        is_truncated: Some(page.truncated),
        next_continuation_token: next,
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        delimiter: walk.delimiter.map(|delimiter| encoding.apply(delimiter)),
        encoding_type: input.encoding_type,
        start_after: input.start_after.map(|key| encoding.apply(&key)),
        ..Default::default()
    }))
}

pub(super) async fn list_objects(
    api: &Api,
    req: S3Request<ListObjectsInput>,
) -> S3Result<S3Response<ListObjectsOutput>> {
    let input = req.input;
    let bucket = api.store.bucket(&input.bucket)?;
    let max_keys = page_size(input.max_keys)?;
    let encoding = Encoding::parse(input.encoding_type.as_ref())?;
    let walk = Walk::new(
        input.prefix.as_deref(),
        input.delimiter.as_deref(),
        max_keys,
    );
    let after = input.marker.clone().filter(|marker| !marker.is_empty());
    let page = walk.current(&bucket.index(), after.map(|marker| walk.entry_of(marker)));
    let (contents, common_prefixes) = rows(&page, encoding);
    let next = page
        .entries
        .last()
        .filter(|_| page.truncated && walk.delimiter.is_some());
    Ok(S3Response::new(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(encoding.apply(walk.prefix)),
        marker: Some(encoding.apply(&input.marker.unwrap_or_default())),
        max_keys: Some(max_keys),
        is_truncated: Some(page.truncated),
        next_marker: next.map(|(entry, _)| encoding.apply(entry.text())),
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        delimiter: walk.delimiter.map(|delimiter| encoding.apply(delimiter)),
        encoding_type: input.encoding_type,
        ..Default::default()
    }))
}

pub(super) async fn list_object_versions(
    api: &Api,
    req: S3Request<ListObjectVersionsInput>,
) -> S3Result<S3Response<ListObjectVersionsOutput>> {
    let input = req.input;
    let bucket = api.store.bucket(&input.bucket)?;
    let max_keys = page_size(input.max_keys)?;
    let encoding = Encoding::parse(input.encoding_type.as_ref())?;
    let key_marker = input.key_marker.clone().filter(|marker| !marker.is_empty());
    let version_marker = input
        .version_id_marker
        .clone()
        .filter(|marker| !marker.is_empty());
    if version_marker.is_some() && key_marker.is_none() {
        return Err(s3_error!(
            InvalidArgument,
            "A version-id marker cannot be specified without a key marker."
        ));
    }
    let walk = Walk::new(
        input.prefix.as_deref(),
        input.delimiter.as_deref(),
        max_keys,
    );
    let page = walk.versions(&bucket.index(), key_marker, version_marker);
    let mut output = ListObjectVersionsOutput {
        name: Some(input.bucket),
        prefix: Some(encoding.apply(walk.prefix)),
        max_keys: Some(max_keys),
        is_truncated: Some(page.truncated),
        key_marker: Some(encoding.apply(&input.key_marker.unwrap_or_default())),
        version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
        delimiter: walk.delimiter.map(|delimiter| encoding.apply(delimiter)),
        encoding_type: input.encoding_type,
        ..Default::default()
    };
    if let Some(last) = page.entries.last().filter(|_| page.truncated) {
        output.next_key_marker = Some(encoding.apply(last.entry.text()));
        let version = last
            .version
            .as_ref()
            .map(|(version, _)| version.id().to_owned());
        output.next_version_id_marker = version;
    }
    let (mut versions, mut markers, mut prefixes) = (Vec::new(), Vec::new(), Vec::new());
    for listed in page.entries {
        let name = encoding.apply(listed.entry.text());
        match listed.version {
            None => prefixes.push(CommonPrefix { prefix: Some(name) }),
            Some((version, latest)) if version.object().is_none() => {
                markers.push(DeleteMarkerEntry {
                    is_latest: Some(latest),
                    key: Some(name),
                    last_modified: Some(timestamp(version.record.created_ms)),
                    owner: Some(owner()),
                    version_id: Some(version.id().to_owned()),
                });
            }
            Some((version, latest)) => versions.push(object_version(name, &version, latest)),
        }
    }
    output.versions = Some(versions);
    output.delete_markers = Some(markers);
    output.common_prefixes = Some(prefixes);
    Ok(S3Response::new(output))
}

/// The page size from `max-keys` and similar parameters: at most 1,000.
pub(super) fn page_size(asked: Option<i32>) -> S3Result<i32> {
    match asked.unwrap_or(MAX_ENTRIES) {
        asked if asked < 0 => Err(s3_error!(
            InvalidArgument,
            "Argument max-keys must be an integer >= 0"
        )),
        asked => Ok(asked.min(MAX_ENTRIES)),
    }
}

/// The encoding of names in the response.
#[derive(Clone, Copy)]
pub(super) enum Encoding {
    Plain,
    Url,
}

impl Encoding {
    pub(super) fn parse(asked: Option<&EncodingType>) -> S3Result<Self> {
        match asked.map(EncodingType::as_str) {
            None => Ok(Self::Plain),
            Some(EncodingType::URL) => Ok(Self::Url),
            Some(_) => Err(s3_error!(
                InvalidArgument,
                "Invalid Encoding Method specified in Request"
            )),
        }
    }

    pub(super) fn apply(self, name: &str) -> String {
        match self {
            Self::Plain => name.to_owned(),
            Self::Url => utf8_percent_encode(name, PLAIN).to_string(),
        }
    }
}

/// The objects and common prefixes of a page.
fn rows(
    page: &Page<(Entry, Option<Arc<Version>>)>,
    encoding: Encoding,
) -> (Vec<Object>, Vec<CommonPrefix>) {
    let (mut contents, mut prefixes) = (Vec::new(), Vec::new());
    for (entry, version) in &page.entries {
        let name = encoding.apply(entry.text());
        match entry {
            Entry::Key(_) => contents.push(object(name, version)),
            Entry::Prefix(_) => prefixes.push(CommonPrefix { prefix: Some(name) }),
        }
    }
    (contents, prefixes)
}

fn object(key: String, version: &Option<Arc<Version>>) -> Object {
    let version = version.as_ref();
    let stored = version.and_then(|version| version.object());
    let checksum = stored.and_then(|object| object.checksum.as_ref());
    Object {
        checksum_algorithm: checksum
            .map(|c| vec![ChecksumAlgorithm::from_static(c.algorithm.name())]),
        checksum_type: checksum.map(|c| checksum_type(c.kind)),
        e_tag: stored.map(|object| ETag::Strong(object.etag.clone())),
        key: Some(key),
        last_modified: version.map(|version| timestamp(version.record.created_ms)),
        size: stored.and_then(|object| i64::try_from(object.size).ok()),
        storage_class: stored
            .map(|object| storage_class(&object.attributes).as_str().to_owned().into()),
        ..Default::default()
    }
}

fn object_version(key: String, version: &Version, latest: bool) -> ObjectVersion {
    let stored = version.object();
    let checksum = stored.and_then(|object| object.checksum.as_ref());
    ObjectVersion {
        checksum_algorithm: checksum
            .map(|c| vec![ChecksumAlgorithm::from_static(c.algorithm.name())]),
        checksum_type: checksum.map(|c| checksum_type(c.kind)),
        e_tag: stored.map(|object| ETag::Strong(object.etag.clone())),
        is_latest: Some(latest),
        key: Some(key),
        last_modified: Some(timestamp(version.record.created_ms)),
        owner: Some(owner()),
        size: stored.and_then(|object| i64::try_from(object.size).ok()),
        storage_class: stored
            .map(|object| storage_class(&object.attributes).as_str().to_owned().into()),
        version_id: Some(version.id().to_owned()),
        ..Default::default()
    }
}
