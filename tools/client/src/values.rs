//! Encrypts, verifies and decrypts users' values.

use http::Method;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    Client, ServiceError,
    api::{body, read},
};

/// A user's datum. Wiped when it is dropped.
pub type Datum = Zeroizing<String>;

/// The one reversible cipher.
const REVERSIBLE: &str = "aes-256-gcm";

#[derive(Serialize)]
struct Request<'a> {
    #[serde(rename = "userUUID")]
    user: &'a str,
    #[serde(rename = "sensitiveData", skip_serializing_if = "Option::is_none")]
    data: Option<&'a [Datum]>,
    #[serde(rename = "encryptedData", skip_serializing_if = "Option::is_none")]
    encrypted: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cipher: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
}

#[derive(Deserialize)]
struct Encrypted {
    encrypted_data: Vec<String>,
}

#[derive(Deserialize)]
struct Verified {
    valid: Vec<bool>,
}

#[derive(Deserialize)]
struct Decrypted {
    sensitive_data: Vec<Option<Datum>>,
}

impl Client {
    /// Computes the digests of up to 1,000 data of a user, in their order.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn digest(&self, user: &str, data: &[Datum]) -> Result<Vec<String>, ServiceError> {
        let request = Request {
            user,
            data: Some(data),
            encrypted: None,
            cipher: None,
            context: None,
        };
        self.encrypted(&request, data.len()).await
    }

    /// Encrypts up to 1,000 data of a user reversibly, in their order. They open with the same
    /// `context` only.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn encrypt(
        &self,
        user: &str,
        data: &[Datum],
        context: Option<&str>,
    ) -> Result<Vec<String>, ServiceError> {
        let request = Request {
            user,
            data: Some(data),
            encrypted: None,
            cipher: Some(REVERSIBLE),
            context,
        };
        self.encrypted(&request, data.len()).await
    }

    /// Compares data with what [`digest`](Self::digest) or [`encrypt`](Self::encrypt) returned for
    /// them, pair by pair.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn verify(
        &self,
        user: &str,
        data: &[Datum],
        encrypted: &[String],
        context: Option<&str>,
    ) -> Result<Vec<bool>, ServiceError> {
        let request = Request {
            user,
            data: Some(data),
            encrypted: Some(encrypted),
            cipher: None,
            context,
        };
        let response = self.call(Method::POST, "/verify", Some(body(&request)?));
        let Verified { valid } = read(response.await?)?;
        counted(valid, data.len())
    }

    /// Decrypts up to 1,000 reversible values of a user, in their order; `None` for one that does not
    /// open.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn decrypt(
        &self,
        user: &str,
        encrypted: &[String],
        context: Option<&str>,
    ) -> Result<Vec<Option<Datum>>, ServiceError> {
        let request = Request {
            user,
            data: None,
            encrypted: Some(encrypted),
            cipher: None,
            context,
        };
        let response = self.call(Method::POST, "/decrypt", Some(body(&request)?));
        let Decrypted { sensitive_data } = read(response.await?)?;
        counted(sensitive_data, encrypted.len())
    }

    async fn encrypted(
        &self,
        request: &Request<'_>,
        count: usize,
    ) -> Result<Vec<String>, ServiceError> {
        let response = self.call(Method::POST, "/encrypt", Some(body(request)?));
        let Encrypted { encrypted_data } = read(response.await?)?;
        let is_printable = |text: &String| text.bytes().all(|byte| byte.is_ascii_graphic());
        match encrypted_data.iter().all(is_printable) {
            true => counted(encrypted_data, count),
            false => Err(ServiceError::Unexpected),
        }
    }
}

/// Refuses a response for another number of items.
fn counted<T>(items: Vec<T>, count: usize) -> Result<Vec<T>, ServiceError> {
    match items.len() == count {
        true => Ok(items),
        false => Err(ServiceError::Unexpected),
    }
}
