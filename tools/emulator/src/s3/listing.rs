//! ListObjectsV2, ListObjects and ListObjectVersions.

use std::ops::Bound;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Api;
use super::buckets::owner;
use super::errors::timestamp;
use super::objects::checksum_type;
use crate::store::bucket::{Index, Version};

/// The most entries on one page.
pub(super) const MAX_ENTRIES: i32 = 1000;

/// What `encoding-type=url` leaves alone.
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
    let walk = Walk {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input
            .delimiter
            .as_deref()
            .filter(|delimiter| !delimiter.is_empty()),
        limit: max_keys,
    };
    let page = walk.current(&bucket.index(), after);
    let (mut contents, mut common_prefixes) = (Vec::new(), Vec::new());
    for entry in &page.entries {
        match entry {
            (Entry::Prefix(prefix), _) => {
                common_prefixes.push(CommonPrefix {
                    prefix: Some(encoding.apply(prefix)),
                });
            }
            (Entry::Key(key), version) => {
                let mut object = object(encoding.apply(key), version);
                object.owner = input.fetch_owner.unwrap_or(false).then(owner);
                contents.push(object);
            }
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
    let walk = Walk {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input
            .delimiter
            .as_deref()
            .filter(|delimiter| !delimiter.is_empty()),
        limit: max_keys,
    };
    let after = input.marker.clone().filter(|marker| !marker.is_empty());
    let page = walk.current(&bucket.index(), after.map(|marker| walk.entry_of(marker)));
    let (mut contents, mut common_prefixes) = (Vec::new(), Vec::new());
    for entry in &page.entries {
        match entry {
            (Entry::Prefix(prefix), _) => {
                common_prefixes.push(CommonPrefix {
                    prefix: Some(encoding.apply(prefix)),
                });
            }
            (Entry::Key(key), version) => contents.push(object(encoding.apply(key), version)),
        }
    }
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
    let walk = Walk {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input
            .delimiter
            .as_deref()
            .filter(|delimiter| !delimiter.is_empty()),
        limit: max_keys,
    };
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

/// The size of a page from `max-keys` and its kin: at most 1,000.
pub(super) fn page_size(asked: Option<i32>) -> S3Result<i32> {
    match asked.unwrap_or(MAX_ENTRIES) {
        asked if asked < 0 => Err(s3_error!(
            InvalidArgument,
            "Argument max-keys must be an integer >= 0"
        )),
        asked => Ok(asked.min(MAX_ENTRIES)),
    }
}

/// How names are written in the answer.
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

/// One entry of a page: a key, or the common prefix of several.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Key(String),
    Prefix(String),
}

impl Entry {
    fn text(&self) -> &str {
        match self {
            Self::Key(text) | Self::Prefix(text) => text,
        }
    }

    /// Opaque to clients: which kind of entry came last, and its name.
    fn to_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(match self {
            Self::Key(key) => format!("k{key}"),
            Self::Prefix(prefix) => format!("p{prefix}"),
        })
    }

    fn from_token(token: &str) -> S3Result<Self> {
        let decoded = URL_SAFE_NO_PAD.decode(token).ok();
        let text = decoded
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .unwrap_or_default();
        if let Some(key) = text.strip_prefix('k') {
            Ok(Self::Key(key.to_owned()))
        } else if let Some(prefix) = text.strip_prefix('p') {
            Ok(Self::Prefix(prefix.to_owned()))
        } else {
            Err(s3_error!(
                InvalidArgument,
                "The continuation token provided is incorrect"
            ))
        }
    }

    /// Where the walk goes on behind this entry.
    fn behind(&self) -> Bound<String> {
        match self {
            Self::Key(key) => Bound::Excluded(key.clone()),
            // Nearly all keys with the prefix are below this; the rest is skipped one by one.
            Self::Prefix(prefix) => Bound::Excluded(format!("{prefix}{}", char::MAX)),
        }
    }
}

/// A page.
struct Page<T> {
    entries: Vec<T>,
    truncated: bool,
}

/// An entry of a version listing.
struct Listed {
    entry: Entry,
    /// The version and whether it is the newest; None for a common prefix.
    version: Option<(Arc<Version>, bool)>,
}

/// A walk over the keys with a prefix, in the order of their bytes.
struct Walk<'a> {
    prefix: &'a str,
    delimiter: Option<&'a str>,
    limit: i32,
}

impl Walk<'_> {
    /// Current objects, behind `after`.
    fn current(&self, index: &Index, after: Option<Entry>) -> Page<(Entry, Option<Arc<Version>>)> {
        let mut page = Page {
            entries: Vec::new(),
            truncated: false,
        };
        self.keys(index, after, |entry, versions| {
            let newest = versions.last().filter(|version| version.object().is_some());
            let Some(newest) = newest else {
                return Step::Skip;
            };
            if self.is_full(page.entries.len()) {
                page.truncated = self.limit > 0;
                return Step::Stop;
            }
            let version = matches!(entry, Entry::Key(_)).then(|| Arc::clone(newest));
            page.entries.push((entry, version));
            Step::Taken
        });
        page
    }

    /// All versions, newest first for each key, behind the markers.
    fn versions(
        &self,
        index: &Index,
        key_marker: Option<String>,
        version_marker: Option<String>,
    ) -> Page<Listed> {
        let mut page = Page {
            entries: Vec::new(),
            truncated: false,
        };
        if let (Some(key), Some(marker)) = (&key_marker, &version_marker)
            && key.starts_with(self.prefix)
            && self.common_prefix(key).is_none()
            && let Some(versions) = index.get(key)
        {
            // A marker that was deleted meanwhile hides nothing: what is left is listed.
            let behind = versions.iter().rposition(|version| version.id() == *marker);
            let rest = versions
                .get(..behind.unwrap_or(versions.len()))
                .unwrap_or_default();
            self.take_versions(key, versions, rest, &mut page);
        }
        let after = key_marker.map(|key| self.entry_of(key));
        if !page.truncated {
            self.keys(index, after, |entry, versions| {
                match &entry {
                    Entry::Key(key) => self.take_versions(key, versions, versions, &mut page),
                    Entry::Prefix(_) if self.is_full(page.entries.len()) => {
                        page.truncated = self.limit > 0;
                    }
                    Entry::Prefix(_) => page.entries.push(Listed {
                        entry,
                        version: None,
                    }),
                }
                if page.truncated || self.limit == 0 {
                    Step::Stop
                } else {
                    Step::Taken
                }
            });
        }
        page
    }

    fn take_versions(
        &self,
        key: &str,
        all: &[Arc<Version>],
        some: &[Arc<Version>],
        page: &mut Page<Listed>,
    ) {
        for version in some.iter().rev() {
            if self.is_full(page.entries.len()) {
                page.truncated = self.limit > 0;
                return;
            }
            let latest = all.last().is_some_and(|last| Arc::ptr_eq(last, version));
            let version = Some((Arc::clone(version), latest));
            page.entries.push(Listed {
                entry: Entry::Key(key.to_owned()),
                version,
            });
        }
    }

    /// Calls `visit` for each key, and once for each common prefix of which a key was taken.
    fn keys(
        &self,
        index: &Index,
        after: Option<Entry>,
        mut visit: impl FnMut(Entry, &[Arc<Version>]) -> Step,
    ) {
        let mut from = Bound::Included(self.prefix.to_owned());
        let mut skipped = None;
        if let Some(after) = after {
            if after.text() >= self.prefix {
                from = after.behind();
            }
            skipped = Some(after);
        }
        'restart: loop {
            for (key, versions) in index.range((from.clone(), Bound::Unbounded)) {
                if !key.starts_with(self.prefix) {
                    return;
                }
                let entry = match self.common_prefix(key) {
                    Some(prefix) => Entry::Prefix(prefix.to_owned()),
                    None => Entry::Key(key.clone()),
                };
                if skipped.as_ref() == Some(&entry) {
                    continue;
                }
                match visit(entry.clone(), versions) {
                    Step::Stop => return,
                    Step::Taken if matches!(entry, Entry::Prefix(_)) => {
                        from = entry.behind();
                        skipped = Some(entry);
                        continue 'restart;
                    }
                    Step::Taken | Step::Skip => {}
                }
            }
            return;
        }
    }

    /// What a marker stands for: a key, or a common prefix that was listed as one.
    fn entry_of(&self, marker: String) -> Entry {
        match self.common_prefix(&marker) {
            Some(prefix) if prefix == marker => Entry::Prefix(marker),
            _ => Entry::Key(marker),
        }
    }

    fn common_prefix<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter?;
        let rest = key.strip_prefix(self.prefix)?;
        let at = rest.find(delimiter)?;
        key.get(..self.prefix.len() + at + delimiter.len())
    }

    fn is_full(&self, entries: usize) -> bool {
        usize::try_from(self.limit).is_ok_and(|limit| entries >= limit)
    }
}

/// What came of one visit.
enum Step {
    Taken,
    Skip,
    Stop,
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
        storage_class: Some(ObjectStorageClass::from_static(
            ObjectStorageClass::STANDARD,
        )),
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
        storage_class: Some(ObjectVersionStorageClass::from_static(
            ObjectVersionStorageClass::STANDARD,
        )),
        version_id: Some(version.id().to_owned()),
        ..Default::default()
    }
}
