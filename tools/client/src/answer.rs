//! What the service answers, as far as it is needed here.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use caas_crypto::{
    ContentKey,
    stored::{Grant, TAG_LEN},
};
use serde::Deserialize;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::ServiceError;

/// To `POST /api/uploads`.
#[derive(Deserialize)]
pub(crate) struct UploadAnswer {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) encryption: Option<Encryption>,
}

/// To `POST /api/files/{id}/grant`.
#[derive(Deserialize)]
pub(crate) struct GrantAnswer {
    pub(crate) url: String,
    pub(crate) encryption: Encryption,
    pub(crate) size: u64,
    pub(crate) name: String,
    pub(crate) content_type: String,
}

/// The key of one object, and how it is used.
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
pub(crate) struct ProblemAnswer {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) detail: String,
}
