//! Encrypts a file and returns it with the one key that opens it; nothing is stored.
//!
//! Also the service's front door: the page at `/`, `/health`, `/openapi.json`, `/problems/{code}`, and the
//! problem document for every path that does not exist.

mod config;
mod decrypt_file;
mod encrypt_file;
mod page;
mod service;

use std::sync::Arc;

use axum::{Router, extract::FromRequestParts};
use caas_aws::ClientsConfig;
use caas_clients::{ApiKeys, Caller};
use caas_http::Problem;
use http::request::Parts;
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use config::Config;
use page::Page;

/// The function's configuration, and who may call.
#[derive(Debug)]
pub struct Service {
    pub(crate) config: Config,
    pub(crate) api_keys: ApiKeys,
    pub(crate) page: Page,
}

impl Service {
    /// The service with this configuration. Only where its routes are not public and there is a
    /// registry does it need a connection.
    pub async fn connect(config: Config, aws: ClientsConfig) -> Self {
        let api_keys = match config.public {
            true => ApiKeys::default(),
            false => config.api_keys.connect(aws).await,
        };
        Self {
            page: Page::new(&config.storage_origins),
            config,
            api_keys,
        }
    }
}

impl AsRef<ApiKeys> for Service {
    fn as_ref(&self) -> &ApiKeys {
        &self.api_keys
    }
}

/// What the handlers share.
pub type State = Arc<Service>;

/// The routes, with everything that surrounds them.
pub fn router(state: State) -> Router {
    let edge = state.config.http.edge.clone();
    let (routes, _) = routes().split_for_parts();
    edge.around(routes.merge(state.page.files()).with_state(state))
}

/// The description of the routes.
pub fn openapi() -> OpenApi {
    routes().into_openapi()
}

fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(encrypt_file::encrypt_file))
        .routes(routes!(decrypt_file::decrypt_file))
        .routes(routes!(service::index))
        .routes(routes!(service::health))
        .routes(routes!(service::openapi_document))
        .routes(routes!(service::problem))
}

/// Admits the caller if the routes are public or the API key may use them.
pub(crate) struct Admitted;

impl FromRequestParts<State> for Admitted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        if !state.config.public {
            Caller::from_request_parts(parts, state).await?;
        }
        Ok(Self)
    }
}
