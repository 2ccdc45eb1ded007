//! Shows, rotates and shreds users' keys.

use http::Method;
use serde::{Deserialize, Serialize};

use crate::{Client, ServiceError, api::read};

/// A version of a user's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyVersion {
    /// Its number, from 1.
    pub version: u32,
    /// When it was made, in RFC 3339.
    pub created_at: String,
}

/// What an erasure removed, as the service's audit trail has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// What stands for the user or the file in the audit trail and in KMS's records.
    pub subject: String,
    /// How many stored versions were removed; 0 if there was nothing left.
    pub versions_removed: u64,
    /// When, in RFC 3339.
    pub time: String,
    /// The request's ID.
    pub request_id: String,
}

#[derive(Deserialize)]
struct Versions {
    versions: Vec<KeyVersion>,
}

#[derive(Deserialize)]
struct Rotated {
    version: u32,
}

impl Client {
    /// The versions of a user's key, oldest first.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn key_versions(&self, user: &str) -> Result<Vec<KeyVersion>, ServiceError> {
        let response = self.call(Method::GET, &user_path(user)?, None).await?;
        Ok(read::<Versions>(response)?.versions)
    }

    /// Gives a user a new key for new values, and returns its number. Sends one request: to repeat it
    /// would rotate again.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn rotate(&self, user: &str) -> Result<u32, ServiceError> {
        let path = format!("{}/rotate", user_path(user)?);
        let response = self.call_once(Method::POST, &path, None).await?;
        Ok(read::<Rotated>(response)?.version)
    }

    /// Shreds a user's keys: everything encrypted for this user becomes unreadable permanently. A
    /// repeat removes nothing, and its receipt says so.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn shred(&self, user: &str) -> Result<Receipt, ServiceError> {
        read(self.call(Method::DELETE, &user_path(user)?, None).await?)
    }
}

/// The path of a user. What needs an escape in a path is no UUID.
fn user_path(user: &str) -> Result<String, ServiceError> {
    let is_uuid = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    match !user.is_empty() && user.bytes().all(is_uuid) {
        true => Ok(format!("/users/{user}")),
        false => Err(ServiceError::Refused {
            status: 400,
            code: "invalid-uuid".to_owned(),
            title: "Invalid UUID".to_owned(),
            detail: "Write the user as a UUID with hyphens.".to_owned(),
        }),
    }
}
