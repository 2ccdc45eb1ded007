//! Users' records in S3, changed only by conditional writes.

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::get_object::{GetObjectError, GetObjectOutput},
    primitives::ByteStream,
};
use caas_aws::{ObjectKey, Unavailable, VersionedBucket, status};
use caas_crypto::{MAX_RECORD_LEN, UserId, UserRecord};
use futures::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};

use crate::UserKeyError;

/// How many versions are deleted concurrently.
const CONCURRENT_DELETES: usize = 8;

/// The version id of an object in a bucket without versioning.
const UNVERSIONED: &str = "null";

/// The bucket of users' records.
#[derive(Clone)]
pub(crate) struct RecordStore(VersionedBucket);

/// A record as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) record: UserRecord,
    /// The SHA-256 of its text.
    pub(crate) hash: [u8; 32],
    pub(crate) etag: String,
    pub(crate) version_id: Option<String>,
}

/// A record that is about to be written.
pub(crate) struct NewRecord {
    record: UserRecord,
    text: Vec<u8>,
    /// The SHA-256 of its text.
    pub(crate) hash: [u8; 32],
}

impl NewRecord {
    pub(crate) fn new(user: &UserId, record: UserRecord) -> Self {
        let text = record.to_json(user);
        Self {
            hash: Sha256::digest(&text).into(),
            record,
            text,
        }
    }
}

/// What is stored under a record's key.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing, not even a delete marker.
    Nothing,
    /// The record.
    Record(Stored),
    /// Something else, or a delete marker that this service did not make.
    Damaged {
        /// Its version, in a versioned bucket.
        version_id: Option<String>,
    },
}

impl RecordStore {
    pub(crate) fn new(bucket: VersionedBucket) -> Self {
        Self(bucket)
    }

    /// The user's record, if there is one.
    pub(crate) async fn read(&self, user: &UserId) -> Result<Option<Stored>, UserKeyError> {
        match self.look(user).await? {
            Found::Nothing => Ok(None),
            Found::Record(stored) => Ok(Some(stored)),
            Found::Damaged { .. } => Err(UserKeyError::Damaged),
        }
    }

    /// What is stored under the key of the user's record.
    pub(crate) async fn look(&self, user: &UserId) -> Result<Found, UserKeyError> {
        let get = self.0.client().get_object().bucket(self.0.name());
        let object = match get.key(record_key(user).as_str()).send().await {
            Ok(object) => object,
            Err(error) if is_absent(&error) => return Ok(absent(&error)),
            Err(error) => return Err(Unavailable::new("GetObject", &error).into()),
        };
        let (etag, version_id) = (object.e_tag.clone(), object.version_id.clone());
        let Some(json) = content(object).await? else {
            return Ok(damaged("too long", version_id));
        };
        let record = match UserRecord::parse(&json, user) {
            Ok(record) => record,
            Err(invalid) => return Ok(damaged(invalid, version_id)),
        };
        Ok(Found::Record(Stored {
            record,
            hash: Sha256::digest(&json).into(),
            etag: etag.ok_or(UserKeyError::Unavailable)?,
            version_id,
        }))
    }

    /// Removes this version or delete marker of the record, so that the previous version becomes
    /// current. Returns whether there is another version; if not, nothing is removed.
    pub(crate) async fn uncover(&self, user: &UserId, damaged: &str) -> Result<bool, UserKeyError> {
        let key = record_key(user);
        let versions = self.0.versions(&key).await?;
        let mut versions = versions.objects.iter();
        let other = versions.any(|version| version.version_id != damaged);
        if other {
            self.0.remove(&key, damaged).await?;
        }
        Ok(other)
    }

    /// Writes the record over `over`, or where there is none. `None` if something else is stored
    /// there by now.
    pub(crate) async fn write(
        &self,
        user: &UserId,
        new: NewRecord,
        over: Option<&Stored>,
    ) -> Result<Option<Stored>, UserKeyError> {
        let put = self
            .0
            .client()
            .put_object()
            .bucket(self.0.name())
            .key(record_key(user).as_str())
            .content_type("application/json")
            .body(ByteStream::from(new.text));
        let put = match over {
            Some(over) => put.if_match(&over.etag),
            None => put.if_none_match("*"),
        };
        match put.send().await {
            Ok(written) => Ok(Some(Stored {
                record: new.record,
                hash: new.hash,
                etag: written.e_tag.ok_or(UserKeyError::Unavailable)?,
                version_id: written.version_id,
            })),
            // Another writer was faster (412), is writing now (409), or removed the record (404).
            Err(error) if matches!(status(&error), Some(404 | 409 | 412)) && names_key(&error) => {
                Ok(None)
            }
            Err(error) => Err(Unavailable::new("PutObject", &error).into()),
        }
    }

    /// Deletes every S3 version of the record that is older than `kept`, and returns how many.
    pub(crate) async fn delete_older(
        &self,
        user: &UserId,
        kept: &Stored,
    ) -> Result<usize, UserKeyError> {
        let key = &record_key(user);
        let kept = kept.version_id.as_deref().unwrap_or(UNVERSIONED);
        let versions = self.0.versions(key).await?;
        // Newest first: versions before the kept one were written after it.
        let mut from_kept = versions.objects.into_iter();
        from_kept.find(|version| version.version_id == kept);
        let older = from_kept.len();
        stream::iter(from_kept)
            .map(Ok::<_, UserKeyError>)
            .try_for_each_concurrent(CONCURRENT_DELETES, async |version| {
                Ok(self.0.remove(key, &version.version_id).await?)
            })
            .await?;
        Ok(older)
    }
}

/// The S3 key of a user's record: the UUID in lower case, so that either case is one user.
fn record_key(user: &UserId) -> ObjectKey {
    ObjectKey::new(&user.client, &format!("{}.json", user.user.hyphenated()))
        .expect("a UUID is a legal path")
}

/// The object's bytes, if it is not too long.
async fn content(object: GetObjectOutput) -> Result<Option<Vec<u8>>, UserKeyError> {
    let len = object.content_length.unwrap_or_default();
    if usize::try_from(len).map_or(true, |len| len > MAX_RECORD_LEN) {
        return Ok(None);
    }
    let content = object.body.collect().await.map_err(|_| {
        tracing::warn!("the response with a user's record was truncated");
        UserKeyError::Unavailable
    })?;
    Ok(Some(content.to_vec()))
}

fn is_absent(error: &SdkError<GetObjectError, HttpResponse>) -> bool {
    error
        .as_service_error()
        .is_some_and(GetObjectError::is_no_such_key)
}

/// Nothing, unless a delete marker shows that somebody else removed a record: its keys may still
/// exist, and their numbers must not be reused.
fn absent(error: &SdkError<GetObjectError, HttpResponse>) -> Found {
    let headers = error.raw_response().map(|response| response.headers());
    let header = |name| headers.and_then(|headers| headers.get(name));
    match header("x-amz-delete-marker") {
        Some("true") => damaged("deleted", header("x-amz-version-id").map(str::to_owned)),
        _ => Found::Nothing,
    }
}

/// Whether the error is about the key rather than, say, the bucket.
fn names_key<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    error
        .as_service_error()
        .is_some_and(|error| error.code() != Some("NoSuchBucket"))
}

fn damaged(cause: impl std::fmt::Display, version_id: Option<String>) -> Found {
    tracing::error!(%cause, "a user's record cannot be used");
    Found::Damaged { version_id }
}
