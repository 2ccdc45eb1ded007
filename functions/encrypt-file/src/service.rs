//! `GET /`, `GET /health`, `GET /openapi.json`, `GET /problems/{code}`

use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::IntoResponse,
};
use caas_http::{Json, Problem, ProblemDefinition, ProblemKind};
use http::header;
use serde::Serialize;

/// The description of the whole service, written by `cargo run -- openapi`.
const OPENAPI: &str = include_str!("../../../openapi.json");

/// Say that the service is running
#[utoipa::path(
    get,
    path = "/",
    tag = "Service",
    security(()),
    responses((status = 200, description = "One line", body = String, content_type = "text/plain"))
)]
pub(crate) async fn index() -> &'static str {
    "CaaS, Crypto as a Service, is running. The API is described at /openapi.json\n"
}

/// What a client needs to know before it calls.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Health {
    /// Always `ok`.
    status: &'static str,
    /// The version of the service.
    version: &'static str,
    /// The limits in force.
    limits: Limits,
}

/// The limits in force.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Limits {
    /// The longest body of a request in bytes, multipart framing included.
    max_body_bytes: u64,
}

/// Report version and limits
#[utoipa::path(
    get,
    path = "/health",
    tag = "Service",
    security(()),
    responses((status = 200, description = "In good health", body = Health))
)]
pub(crate) async fn health(State(config): State<crate::State>) -> Json<Health> {
    Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
        limits: Limits {
            max_body_bytes: config.http.max_body_bytes,
        },
    })
}

/// Describe the API
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "Service",
    security(()),
    responses((status = 200, description = "This document", content_type = "application/json",
        body = Object))
)]
pub(crate) async fn openapi_document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

/// Describe a kind of problem
///
/// The `type` of a problem document leads here.
#[utoipa::path(
    get,
    path = "/problems/{code}",
    tag = "Service",
    params(("code" = String, Path, description = "The last segment of a problem's `type`")),
    security(()),
    responses(
        (status = 200, description = "The kind of problem", body = ProblemDefinition),
        Problem,
    )
)]
pub(crate) async fn problem(
    code: Result<Path<String>, PathRejection>,
) -> Result<Json<ProblemDefinition>, Problem> {
    let kind = code
        .ok()
        .and_then(|Path(code)| ProblemKind::from_code(&code));
    let kind = kind.ok_or_else(|| {
        Problem::new(
            ProblemKind::NotFound,
            "There is no problem with this code; /openapi.json lists them.",
        )
    })?;
    Ok(Json(kind.definition()))
}
