//! Encrypts a file and returns it with the one key that opens it; nothing is stored.
//!
//! Also the service's front door: `/`, `/health`, `/openapi.json`, `/problems/{code}`, and the
//! problem document for every path that does not exist.

mod config;
mod decrypt_file;
mod encrypt_file;
mod service;

use std::sync::Arc;

use axum::Router;
use caas_http::Problem;
use http::HeaderMap;
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use config::Config;

/// What the handlers share.
pub type State = Arc<Config>;

/// The routes, with everything that surrounds them.
pub fn router(state: State) -> Router {
    let (routes, _) = routes().with_state(Arc::clone(&state)).split_for_parts();
    state.http.edge.around(routes)
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

/// Admits the caller if the routes are public or the API key is known.
fn authorize(config: &Config, headers: &HeaderMap) -> Result<(), Problem> {
    if !config.public {
        config.http.api_keys.authenticate(headers)?;
    }
    Ok(())
}
