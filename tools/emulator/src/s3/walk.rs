//! Pages of a bucket's keys: prefixes, common prefixes and markers.

use std::{ops::Bound, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use s3s::{S3Result, s3_error};

use crate::store::bucket::{Index, Version};

/// One entry of a page: a key, or the common prefix of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Key(String),
    Prefix(String),
}

impl Entry {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Key(text) | Self::Prefix(text) => text,
        }
    }

    /// A continuation token, opaque to clients: kind and name of the last entry.
    pub(super) fn to_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(match self {
            Self::Key(key) => format!("k{key}"),
            Self::Prefix(prefix) => format!("p{prefix}"),
        })
    }

    pub(super) fn from_token(token: &str) -> S3Result<Self> {
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

    /// Where the walk continues after this entry.
    fn behind(&self) -> Bound<String> {
        match self {
            Self::Key(key) => Bound::Excluded(key.clone()),
            // Nearly all keys with the prefix sort before this; the others are skipped one by one.
            Self::Prefix(prefix) => Bound::Excluded(format!("{prefix}{}", char::MAX)),
        }
    }
}

/// A page.
pub(super) struct Page<T> {
    pub(super) entries: Vec<T>,
    pub(super) truncated: bool,
}

/// An entry of a version listing.
pub(super) struct Listed {
    pub(super) entry: Entry,
    /// The version and whether it is the newest; None for a common prefix.
    pub(super) version: Option<(Arc<Version>, bool)>,
}

/// A walk over the keys with a prefix, in the order of their bytes.
pub(super) struct Walk<'a> {
    pub(super) prefix: &'a str,
    pub(super) delimiter: Option<&'a str>,
    limit: i32,
}

impl<'a> Walk<'a> {
    pub(super) fn new(prefix: Option<&'a str>, delimiter: Option<&'a str>, limit: i32) -> Self {
        Self {
            prefix: prefix.unwrap_or_default(),
            delimiter: delimiter.filter(|delimiter| !delimiter.is_empty()),
            limit,
        }
    }

    /// Current objects after an entry.
    pub(super) fn current(
        &self,
        index: &Index,
        after: Option<Entry>,
    ) -> Page<(Entry, Option<Arc<Version>>)> {
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

    /// All versions after the markers, newest first for each key.
    pub(super) fn versions(
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
            // If the marker's version has been deleted, all others of its key are listed.
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

    /// Visits each key, and each common prefix until one of its keys is taken.
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

    /// The entry that a marker names: a key, or a listed common prefix.
    pub(super) fn entry_of(&self, marker: String) -> Entry {
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

/// The outcome of a visit.
enum Step {
    Taken,
    Skip,
    Stop,
}
