//! The registry: a bucket with one record for each API key, cached in memory.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_s3::{
    Client, config::http::HttpResponse, error::SdkError, operation::get_object::GetObjectError,
};
use caas_aws::{AgedCache, Clock, Evicted, Moment, Unavailable};
use caas_crypto::ClientName;
use moka::future::Cache;
use time::OffsetDateTime;
use tokio::sync::Semaphore;

use crate::{ClientRecord, InvalidRecord, KeyHash, MAX_RECORD_LEN, Scopes};

/// How long a record is used before it is read again, and so how long a change takes to apply.
pub const MAX_AGE: Duration = Duration::from_secs(60);

/// How long a key without a record is refused before it is looked up again. Short, for keys that
/// are tried before they are created.
const MAX_UNKNOWN_AGE: Duration = Duration::from_secs(10);

/// How many records are cached, and as many unknown keys.
const CAPACITY: u64 = 10_000;

/// How many known keys are remembered. [`MISSES_PER_SECOND`] does not limit reading their records.
const KNOWN_CAPACITY: u64 = 100_000;

/// How many reads per second may find no record before unknown keys are refused unread.
pub const MISSES_PER_SECOND: u32 = 20;

/// How many records are read concurrently, and by how many reads [`MISSES_PER_SECOND`] can be
/// exceeded.
pub const CONCURRENT_READS: usize = 32;

const SECOND: Duration = Duration::from_secs(1);

/// The records of API keys.
pub(crate) struct Registry {
    s3: Client,
    bucket: String,
    clock: Clock,
    /// What was read for keys that have a record or are configured.
    entries: AgedCache<KeyHash, Entry>,
    /// Keys that had a record.
    known: Cache<KeyHash, ()>,
    /// Keys that had none, and when they were looked up. Separate, so that made-up keys do not
    /// evict valid ones.
    unknown: Cache<KeyHash, Moment>,
    reads: Semaphore,
    misses: Misses,
}

/// What the registry says about a key.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// Nothing.
    Absent,
    /// The key is revoked, or its record cannot be read.
    Refused,
    /// The key is this client's.
    Client {
        client: ClientName,
        scopes: Scopes,
        expires_at: Option<OffsetDateTime>,
    },
}

impl Evicted for Entry {
    fn evicted(&self) {}
}

/// Why a key could not be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// Too many keys without a record are being tried.
    Busy,
    /// S3 is not available.
    Unavailable,
}

impl From<Unavailable> for Unknown {
    fn from(Unavailable: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl Registry {
    pub(crate) fn new(s3: Client, bucket: String, clock: Clock) -> Self {
        Self {
            s3,
            bucket,
            entries: AgedCache::new(CAPACITY, MAX_AGE, Arc::clone(&clock)),
            known: Cache::new(KNOWN_CAPACITY),
            unknown: Cache::new(CAPACITY),
            reads: Semaphore::new(CONCURRENT_READS),
            misses: Misses::default(),
            clock,
        }
    }

    /// What the registry said about this key at most [`MAX_AGE`] ago. At most one GetObject, and
    /// none for an unknown key while the misses of this second are used up.
    pub(crate) async fn find(&self, key: KeyHash, is_configured: bool) -> Result<Entry, Unknown> {
        let now = (self.clock)();
        if let Some(since) = self.unknown.get(&key).await
            && since.is_within(MAX_UNKNOWN_AGE, &now)
        {
            return Ok(Entry::Absent);
        }
        let read = || self.read(key, is_configured);
        let entry = self.entries.load(&key, now, |_| true, read).await?;
        if matches!(entry.value, Entry::Absent) && !is_configured {
            self.unknown.insert(key, entry.since).await;
            self.entries.forget(&key).await;
        }
        Ok(entry.value.clone())
    }

    async fn read(&self, key: KeyHash, is_configured: bool) -> Result<Entry, Unknown> {
        if is_configured || self.known.contains_key(&key) {
            return self.get(key).await;
        }
        let permit = self.reads.acquire().await;
        if !self.misses.has_room(&(self.clock)()) {
            return Err(Unknown::Busy);
        }
        let entry = self.get(key).await;
        match entry {
            Ok(Entry::Refused | Entry::Client { .. }) => self.known.insert(key, ()).await,
            Ok(Entry::Absent) | Err(_) => self.misses.count(&(self.clock)()),
        }
        drop(permit);
        entry
    }

    /// One GetObject.
    async fn get(&self, key: KeyHash) -> Result<Entry, Unknown> {
        let get = self.s3.get_object().bucket(&self.bucket);
        let object = match get.key(key.record_key()).send().await {
            Ok(object) => object,
            Err(error) if is_absent(&error) => return Ok(Entry::Absent),
            Err(error) => return Err(Unavailable::new("GetObject", &error).into()),
        };
        let len = object
            .content_length
            .and_then(|len| usize::try_from(len).ok());
        if len.is_none_or(|len| len > MAX_RECORD_LEN) {
            return Ok(refused(InvalidRecord));
        }
        let json = object.body.collect().await.map_err(|_| {
            tracing::warn!("the response with a client's record was truncated");
            Unknown::Unavailable
        })?;
        Ok(match ClientRecord::parse(&json.into_bytes()) {
            Ok(record) if record.disabled => Entry::Refused,
            Ok(record) => Entry::Client {
                client: record.client,
                scopes: record.scopes,
                expires_at: record.expires_at,
            },
            Err(invalid) => refused(invalid),
        })
    }
}

/// A record that cannot be read admits nobody.
fn refused(invalid: InvalidRecord) -> Entry {
    tracing::error!(error = %invalid, "a client's record cannot be used");
    Entry::Refused
}

fn is_absent(error: &SdkError<GetObjectError, HttpResponse>) -> bool {
    let error = error.as_service_error();
    error.is_some_and(GetObjectError::is_no_such_key)
}

/// Counts the reads of one second that found no record.
#[derive(Default)]
struct Misses(Mutex<Option<(Moment, u32)>>);

impl Misses {
    fn has_room(&self, now: &Moment) -> bool {
        self.in_this_second(now) < MISSES_PER_SECOND
    }

    fn count(&self, now: &Moment) {
        let misses = self.in_this_second(now);
        let mut second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *second = match *second {
            Some((since, _)) if misses > 0 => Some((since, misses + 1)),
            _ => Some((*now, 1)),
        };
    }

    fn in_this_second(&self, now: &Moment) -> u32 {
        let second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *second {
            Some((since, misses)) if since.is_within(SECOND, now) => misses,
            _ => 0,
        }
    }
}
