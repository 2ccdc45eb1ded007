//! The service's responses, reduced to the fields used here.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use caas_crypto::{
    ContentKey,
    stored::{Grant, TAG_LEN},
};
use http::Uri;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{ServiceError, client::is_private};

/// The response to `POST /api/uploads`.
#[derive(Deserialize)]
pub(crate) struct UploadResponse {
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) way: UploadWay,
    pub(crate) encryption: Option<Encryption>,
}

/// How to send the file: in one request, or in parts.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum UploadWay {
    One(PresignedPut),
    Parts { upload: String, parts: Parts },
}

/// A PUT to S3.
#[derive(Deserialize)]
pub(crate) struct PresignedPut {
    #[serde(deserialize_with = "private_url")]
    pub(crate) url: Uri,
    pub(crate) headers: BTreeMap<String, String>,
}

/// How to divide ciphertext and tag.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parts {
    pub(crate) part_size: u64,
    pub(crate) count: u16,
}

/// The response to `POST /api/uploads/parts`.
#[derive(Deserialize)]
pub(crate) struct PartsResponse {
    pub(crate) parts: Vec<PartPut>,
    pub(crate) held: Vec<HeldPart>,
    pub(crate) encryption: Option<Encryption>,
}

/// Where to send a part.
#[derive(Deserialize)]
pub(crate) struct PartPut {
    pub(crate) number: u16,
    #[serde(flatten)]
    pub(crate) put: PresignedPut,
}

/// A part that S3 holds.
#[derive(Deserialize)]
pub(crate) struct HeldPart {
    pub(crate) number: u16,
}

/// The response to `POST /api/files/{id}/grant`.
#[derive(Deserialize)]
pub(crate) struct GrantResponse {
    #[serde(deserialize_with = "private_url")]
    pub(crate) url: Uri,
    pub(crate) encryption: Encryption,
    pub(crate) size: u64,
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) etag: String,
}

/// Refuses a URL whose request others on the network could read.
fn private_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uri, D::Error> {
    let url = String::deserialize(deserializer)?.parse().ok();
    url.filter(is_private)
        .ok_or_else(|| D::Error::custom("not https"))
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
    pub(crate) title: String,
    pub(crate) detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presigned_requests_are_never_sent_in_clear() {
        let read = |url: &str| {
            let put = serde_json::json!({"id": "a", "number": 1, "url": url, "headers": {}});
            let parts = serde_json::json!({"parts": [put], "held": []});
            let parts = serde_json::from_value::<PartsResponse>(parts).is_ok();
            let upload = serde_json::from_value::<UploadResponse>(put).is_ok();
            assert_eq!(upload, parts);
            upload
        };
        for url in [
            "https://s3.example/a?b=c",
            "http://127.0.0.1:5001/vault/a?b=c",
        ] {
            assert!(read(url), "{url}");
        }
        for url in [
            "http://s3.example/a?b=c",
            "http://10.0.0.1/a",
            "/a",
            "file:///a",
        ] {
            assert!(!read(url), "{url}");
        }
    }
}
