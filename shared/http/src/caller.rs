//! The caller of a route.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use caas_crypto::ClientName;
use http::request::Parts;

use crate::{HttpConfig, Problem};

/// The client whose API key is in the headers. As a handler's first extractor it refuses a stranger
/// before the body is read.
#[derive(Clone, Debug)]
pub struct Caller(pub ClientName);

impl<S: AsRef<HttpConfig> + Send + Sync> FromRequestParts<Arc<S>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<S>) -> Result<Self, Problem> {
        let api_keys = &S::as_ref(state).api_keys;
        api_keys.authenticate(&parts.headers).map(Self)
    }
}
