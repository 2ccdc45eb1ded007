//! The caller of a route.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, MatchedPath, Request};
use caas_crypto::ClientName;
use caas_http::{Audit, HttpConfig, JsonObject, Problem, ProblemKind};
use http::{Extensions, Method, request::Parts};
use serde::de::DeserializeOwned;

use crate::{
    ApiKeys, Scope,
    presented_key::{key_in_headers, the_same},
};

/// The client whose API key is in the headers and has the scope that the route requires. As a
/// handler's first extractor, it rejects unauthorized requests before the body is read.
#[derive(Clone, Debug)]
pub struct Caller(pub ClientName);

/// A JSON body that can carry the API key, as `apiKey`. The key is checked before the other fields.
///
/// The headers may carry the key instead or as well; a wrong one there is refused before the body
/// is read.
pub struct AuthenticatedJson<T> {
    /// The client whose API key it is.
    pub client: ClientName,
    /// The body.
    pub body: T,
}

impl<S> FromRequestParts<Arc<S>> for Caller
where
    S: AsRef<ApiKeys> + Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<S>) -> Result<Self, Problem> {
        let scope = scope_of(&parts.method, &parts.extensions)?;
        let audit = audit_of(&parts.extensions);
        let key = key_in_headers(&parts.headers)?.unwrap_or_default();
        let api_keys: &ApiKeys = S::as_ref(state);
        api_keys.admit(key, scope, &audit).await.map(Self)
    }
}

impl<S, T> FromRequest<Arc<S>> for AuthenticatedJson<T>
where
    S: AsRef<ApiKeys> + AsRef<HttpConfig> + Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &Arc<S>) -> Result<Self, Problem> {
        let scope = scope_of(request.method(), request.extensions())?;
        let audit = audit_of(request.extensions());
        let headers = request.headers().clone();
        let (api_keys, http): (&ApiKeys, &HttpConfig) = (S::as_ref(state), S::as_ref(state));
        let in_headers = key_in_headers(&headers)?;
        let mut client = None;
        if let Some(key) = in_headers {
            client = Some(api_keys.admit(key, scope, &audit).await?);
        }
        let object = JsonObject::read(request, http).await?;
        let key = the_same(in_headers, object.text("apiKey")?.map(str::as_bytes))?;
        let client = match client {
            Some(client) => client,
            None => {
                let key = key.unwrap_or_default();
                api_keys.admit(key, scope, &audit).await?
            }
        };
        object.into_typed().map(|body| Self { client, body })
    }
}

fn audit_of(extensions: &Extensions) -> Audit {
    extensions.get().cloned().unwrap_or_default()
}

/// The scope that the route of this request requires.
fn scope_of(method: &Method, extensions: &Extensions) -> Result<Scope, Problem> {
    let path = extensions.get::<MatchedPath>();
    let path = path.map_or("", MatchedPath::as_str);
    Scope::of_route(method.as_str(), path).ok_or_else(|| {
        tracing::error!("a route that requires an API key has no scope");
        ProblemKind::Internal.into()
    })
}
