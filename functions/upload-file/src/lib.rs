//! Stores files encrypted in S3, each under its own key that KMS wraps, and returns them.

mod abort;
mod complete;
mod config;
mod delete;
mod description;
mod file;
mod grant;
mod idempotency;
mod list;
mod parts;
mod service;
mod upload;
mod uploads;

use std::sync::Arc;

use axum::{Router, routing::post};
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use config::{Config, DEFAULT_UPLOAD_DAYS};
pub use service::Service;

/// What the handlers share.
pub type State = Arc<Service>;

/// The routes, with everything that surrounds them.
pub fn router(state: State) -> Router {
    let edge = state.config.http.edge.clone();
    let (routes, _) = routes().with_state(state).split_for_parts();
    edge.around(routes)
}

/// The description of the routes.
pub fn openapi() -> OpenApi {
    routes().into_openapi()
}

fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(upload::upload))
        .route("/api/upload", post(upload::upload))
        .routes(routes!(uploads::begin))
        .routes(routes!(parts::parts))
        .routes(routes!(complete::complete))
        .routes(routes!(abort::abort))
        .routes(routes!(list::list))
        .routes(routes!(file::get, file::head, delete::delete))
        .routes(routes!(grant::grant))
}
