//! The records of API keys.

use aws_sdk_s3::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
};
use caas_aws::status;
use caas_clients::{
    ClientRecord, InvalidRecord, KeyHash, MAX_NOTE_LEN, MAX_RECORD_LEN, Scopes, generate_api_key,
    is_api_key,
};
use caas_crypto::ClientName;
use futures::{StreamExt, TryStreamExt, stream};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::KeysError;

/// The fewest hex digits of a hash that name a key.
pub const MIN_PREFIX_LEN: usize = 8;

/// How many records are read concurrently.
const CONCURRENT_READS: usize = 32;

/// The API keys of one service.
#[derive(Clone, Debug)]
pub struct Keys {
    s3: Client,
    bucket: String,
}

/// What a new key is for.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The client.
    pub client: ClientName,
    /// What the key may do.
    pub scopes: Scopes,
    /// When it expires; `None` if it does not.
    pub expires_at: Option<OffsetDateTime>,
    /// A note about it, at most [`MAX_NOTE_LEN`] bytes.
    pub note: String,
}

impl NewKey {
    /// A key that does not expire, without a note.
    pub fn new(client: ClientName, scopes: Scopes) -> Self {
        Self {
            client,
            scopes,
            expires_at: None,
            note: String::new(),
        }
    }
}

/// A new key. Its text is stored nowhere.
pub struct AddedKey {
    /// The key, for the client.
    pub text: Zeroizing<String>,
    /// Its hash, for the operator.
    pub hash: KeyHash,
}

/// A key in the registry.
#[derive(Clone, Debug)]
pub struct FoundKey {
    /// The key's hash.
    pub hash: KeyHash,
    /// Its record.
    pub record: ClientRecord,
    e_tag: String,
}

impl Keys {
    /// The keys whose records are in this bucket.
    pub fn new(s3: Client, bucket: impl Into<String>) -> Self {
        Self {
            s3,
            bucket: bucket.into(),
        }
    }

    /// Creates a key and stores its record. The service accepts it at once.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub async fn add(&self, new: NewKey) -> Result<AddedKey, KeysError> {
        if new.note.len() > MAX_NOTE_LEN {
            return Err(KeysError::LongNote);
        }
        let text = generate_api_key()?;
        let hash = KeyHash::of(text.as_str());
        let record = ClientRecord {
            client: new.client,
            scopes: new.scopes,
            created: now(),
            expires_at: new.expires_at,
            disabled: false,
            note: new.note,
        };
        self.write(hash, &record, None).await?;
        Ok(AddedKey { text, hash })
    }

    /// Every key, by client and creation, and the hashes whose records are unreadable. One
    /// ListObjectsV2 per 1,000 keys, and one GetObject per key.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub async fn list(&self) -> Result<(Vec<FoundKey>, Vec<KeyHash>), KeysError> {
        let hashes = self.hashes("").await?;
        let read = stream::iter(hashes)
            .map(async |hash| match self.read(hash).await {
                Ok(key) => Ok(Some(Ok(key))),
                Err(KeysError::Unreadable(_)) => Ok(Some(Err(hash))),
                Err(KeysError::NotFound) => Ok(None),
                Err(error) => Err(error),
            })
            .buffer_unordered(CONCURRENT_READS)
            .try_collect::<Vec<_>>()
            .await?;
        let (mut keys, mut unreadable) = (Vec::new(), Vec::new());
        for key in read.into_iter().flatten() {
            match key {
                Ok(key) => keys.push(key),
                Err(hash) => unreadable.push(hash),
            }
        }
        keys.sort_by(|a, b| {
            let order = |key: &FoundKey| (key.record.client.clone(), key.record.created, key.hash);
            order(a).cmp(&order(b))
        });
        unreadable.sort();
        Ok((keys, unreadable))
    }

    /// The key that is `named`: by its text, or by at least [`MIN_PREFIX_LEN`] hex digits of its
    /// hash.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub async fn find(&self, named: &str) -> Result<FoundKey, KeysError> {
        if is_api_key(named.as_bytes()) {
            return self.read(KeyHash::of(named)).await;
        }
        let is_hex = |byte: u8| byte.is_ascii_hexdigit();
        if !(MIN_PREFIX_LEN..=64).contains(&named.len()) || !named.bytes().all(is_hex) {
            return Err(KeysError::NotAKey);
        }
        match *self.hashes(&named.to_ascii_lowercase()).await? {
            [] => Err(KeysError::NotFound),
            [hash] => self.read(hash).await,
            ref several => Err(KeysError::Ambiguous(several.len())),
        }
    }

    /// Changes when a key expires. The service notices within a minute.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub async fn expire(
        &self,
        named: &str,
        at: Option<OffsetDateTime>,
    ) -> Result<FoundKey, KeysError> {
        self.change(named, |record| record.expires_at = at).await
    }

    /// Revokes a key. The service notices within a minute. The record stays, so that the key is also
    /// refused where `API_KEYS` lists it.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub async fn revoke(&self, named: &str) -> Result<FoundKey, KeysError> {
        self.change(named, |record| record.disabled = true).await
    }

    /// Revokes a key that only the setting `API_KEYS` lists, with a record that refuses it.
    ///
    /// # Errors
    /// See [`KeysError`]; [`KeysError::Conflict`] if it has a record.
    pub async fn revoke_configured(
        &self,
        hash: KeyHash,
        client: ClientName,
    ) -> Result<(), KeysError> {
        let record = ClientRecord {
            client,
            scopes: Scopes::default(),
            created: now(),
            expires_at: None,
            disabled: true,
            note: "revoked, listed in API_KEYS".to_owned(),
        };
        self.write(hash, &record, None).await
    }

    async fn change(
        &self,
        named: &str,
        change: impl FnOnce(&mut ClientRecord),
    ) -> Result<FoundKey, KeysError> {
        let mut key = self.find(named).await?;
        change(&mut key.record);
        self.write(key.hash, &key.record, Some(&key.e_tag)).await?;
        Ok(key)
    }

    /// The hashes that begin with these digits and have a record.
    async fn hashes(&self, digits: &str) -> Result<Vec<KeyHash>, KeysError> {
        let list = self.s3.list_objects_v2().bucket(&self.bucket);
        let mut pages = list
            .prefix(format!("clients/{digits}"))
            .into_paginator()
            .send();
        let mut hashes = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("ListObjectsV2", error))?;
            let keys = page.contents().iter().filter_map(|object| object.key());
            hashes.extend(keys.filter_map(KeyHash::from_record_key));
        }
        Ok(hashes)
    }

    async fn read(&self, hash: KeyHash) -> Result<FoundKey, KeysError> {
        let get = self.s3.get_object().bucket(&self.bucket);
        let object = get.key(hash.record_key()).send().await;
        let object = object.map_err(|error| match status(&error) {
            Some(404) if error.code() != Some("NoSuchBucket") => KeysError::NotFound,
            _ => failed("GetObject", error),
        })?;
        let e_tag = object.e_tag.clone().unwrap_or_default();
        let json = object
            .body
            .collect()
            .await
            .map_err(|error| KeysError::Aws {
                operation: "GetObject",
                source: Box::new(error),
            })?;
        let record = ClientRecord::parse(&json.into_bytes());
        let record = record.map_err(|InvalidRecord| KeysError::Unreadable(hash.to_string()))?;
        Ok(FoundKey {
            hash,
            record,
            e_tag,
        })
    }

    /// Writes a record over the one with this ETag, or where there is none.
    async fn write(
        &self,
        hash: KeyHash,
        record: &ClientRecord,
        over: Option<&str>,
    ) -> Result<(), KeysError> {
        let json = record.to_json();
        if json.len() > MAX_RECORD_LEN {
            return Err(KeysError::LongNote);
        }
        let put = self.s3.put_object().bucket(&self.bucket);
        let put = put.key(hash.record_key()).content_type("application/json");
        let put = match over {
            Some(e_tag) => put.if_match(e_tag),
            None => put.if_none_match("*"),
        };
        let written = put.body(ByteStream::from(json)).send().await;
        written.map_err(|error| match status(&error) {
            Some(409 | 412) => KeysError::Conflict,
            _ => failed("PutObject", error),
        })?;
        Ok(())
    }
}

/// The present, to the second.
fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_nanosecond(0).unwrap_or(now)
}

fn failed<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> KeysError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match status(&error) {
        Some(403) => KeysError::Forbidden,
        _ => KeysError::Aws {
            operation,
            source: Box::new(error),
        },
    }
}
