//! The service's responses, reduced to the fields used here.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use caas_crypto::{
    ContentKey,
    stored::{Grant, TAG_LEN},
};
use serde::Deserialize;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::ServiceError;

/// The response to `POST /api/uploads`.
#[derive(Deserialize)]
pub(crate) struct UploadResponse {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) encryption: Option<Encryption>,
}

/// The response to `POST /api/files/{id}/grant`.
#[derive(Deserialize)]
pub(crate) struct GrantResponse {
    pub(crate) url: String,
    pub(crate) encryption: Encryption,
    pub(crate) size: u64,
    pub(crate) name: String,
    pub(crate) content_type: String,
}

/// The key of one object, and the parameters of its encryption.
#[derive(Deserialize, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Encryption {
    key: String,
    iv: String,
    aad: String,
    tag_length: usize,
}

impl Encryption {
    pub(crate) fn grant(&self) -> Result<Grant, ServiceError> {
        let decode = |text: &str| BASE64_STANDARD.decode(text);
        let unexpected = |_| ServiceError::Unexpected;
        let key = Zeroizing::new(decode(&self.key).map_err(unexpected)?);
        let key = ContentKey::try_from(key.as_slice()).map_err(|_| ServiceError::Unexpected)?;
        let (iv, aad) = (decode(&self.iv), decode(&self.aad));
        if self.tag_length != TAG_LEN {
            return Err(ServiceError::Unexpected);
        }
        Grant::received(key, &iv.map_err(unexpected)?, &aad.map_err(unexpected)?)
            .map_err(|_| ServiceError::Unexpected)
    }
}

/// A problem document (RFC 9457).
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct ProblemResponse {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) detail: String,
}
