//! `GET /`, `GET /health`, `GET /openapi.json`, `GET /problems/{code}`

use axum::{
    Extension,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use caas_http::{Json, Problem, ProblemDefinition, ProblemKind};
use http::{HeaderMap, header};
use lambda_http::request::RequestContext;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{Config, page};

/// The description of the whole service, written by `cargo run -- openapi`.
const OPENAPI: &str = include_str!("../../../openapi.json");

/// Show the page, or say that the service is running
#[utoipa::path(
    get,
    path = "/",
    operation_id = "get_index",
    tag = "Service",
    security(),
    responses(
        (status = 200, description = "One line; for browsers a page that encrypts and decrypts", content(
            (String = "text/plain", example = "CaaS, Crypto as a Service, is running."),
            (String = "text/html", example = "<!doctype html>"),
        )),
        Problem,
    )
)]
pub(crate) async fn index(
    State(service): State<crate::State>,
    context: Option<Extension<RequestContext>>,
    headers: HeaderMap,
) -> Response {
    if !page::is_wanted(&headers) {
        let line = "CaaS, Crypto as a Service, is running. The API is described at /openapi.json\n";
        return ([(header::VARY, "accept")], line).into_response();
    }
    let prefix = context.and_then(|Extension(context)| gateway_path(&context));
    let prefix = prefix.unwrap_or_default();
    service.page.index(&headers, &prefix)
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
    operation_id = "get_health",
    tag = "Service",
    security(),
    responses(
        (status = 200, description = "In good health", body = Health, example = json!({
            "status": "ok", "version": "0.2.0", "limits": {"max_body_bytes": 4500000},
        })),
        Problem,
    )
)]
pub(crate) async fn health(State(service): State<crate::State>) -> Json<Health> {
    Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
        limits: Limits {
            max_body_bytes: service.config.http.max_body_bytes,
        },
    })
}

/// Describe the API
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "get_openapi",
    tag = "Service",
    security(),
    responses(
        (status = 200, description = "This document", content_type = "application/json",
            body = Object, example = json!({"openapi": "3.1.0"})),
        Problem,
    )
)]
pub(crate) async fn openapi_document(
    State(service): State<crate::State>,
    context: Option<Extension<RequestContext>>,
) -> Json<Value> {
    let gateway = context.and_then(|Extension(context)| gateway_url(&context));
    let config = &service.config;
    Json(describe(config, gateway.or_else(|| config.url.clone())))
}

/// The description of this deployment, which is at `url` if that is known.
fn describe(config: &Config, url: Option<String>) -> Value {
    let mut api: Value = serde_json::from_str(OPENAPI).expect("generated JSON");
    if let Some(url) = url {
        api["servers"] = json!([{ "url": url }]);
    }
    if !config.public {
        for path in ["/encrypt_file", "/decrypt_file"] {
            let security = api["paths"][path]["post"]["security"].as_array_mut();
            security
                .expect("generated JSON")
                .retain(|way| *way != json!({}));
        }
    }
    api
}

/// What precedes the route `/` at API Gateway, which is the stage: `/Prod`.
fn gateway_path(context: &RequestContext) -> Option<String> {
    let RequestContext::ApiGatewayV1(context) = context else {
        return None;
    };
    let segments = context
        .path
        .as_deref()?
        .split('/')
        .filter(|segment| !segment.is_empty());
    let prefix: String = segments.map(|segment| format!("/{segment}")).collect();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
    prefix.chars().all(is_plain).then_some(prefix)
}

/// Where API Gateway has this service: its domain, and what precedes the route, which is the stage.
fn gateway_url(context: &RequestContext) -> Option<String> {
    let RequestContext::ApiGatewayV1(context) = context else {
        return None;
    };
    let domain = context.domain_name.as_deref()?;
    let stage = context.path.as_deref()?.strip_suffix("/openapi.json")?;
    Some(format!("https://{domain}{stage}"))
}

/// Describe a kind of problem
///
/// The `type` of a problem document leads here.
#[utoipa::path(
    get,
    path = "/problems/{code}",
    operation_id = "get_problem",
    tag = "Service",
    params(("code" = String, Path, description = "The last segment of a problem's `type`",
        example = "unauthorized")),
    security(),
    responses(
        (status = 200, description = "The kind of problem", body = ProblemDefinition,
            example = json!(ProblemKind::Unauthorized.definition())),
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
