//! Requests and responses as JSON.

use std::io;

use serde::{Serialize, de::DeserializeOwned};

use super::error::KmsError;

pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, KmsError> {
    // serde's messages would echo values of the request.
    serde_json::from_slice(body).map_err(|_| KmsError::serialization())
}

pub(super) fn to_bytes<T: Serialize>(response: &T) -> Result<Vec<u8>, KmsError> {
    serde_json::to_vec(response).map_err(|error| io::Error::other(error).into())
}
