//! `POST /users/{uuid}/rotate`

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use caas_http::{Problem, ProblemDetails};
use http::HeaderMap;
use serde::Serialize;

use crate::{
    caller,
    error::{no_key, no_user},
};

/// What a user's new values use.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct RotateResponse {
    /// The number of the new key version.
    version: u32,
}

/// Give a user a new key
///
/// New values use it, with a newly selected cipher and salt; old ones still open and verify.
#[utoipa::path(
    post,
    path = "/users/{uuid}/rotate",
    tag = "Users' keys",
    params(("uuid" = String, Path, description = "The user, a UUID with hyphens", format = "uuid")),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The new version", body = inline(RotateResponse)),
        (status = "4XX", description = "A problem", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 503, description = "KMS or S3 is not available", body = ProblemDetails,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn rotate_user(
    State(service): State<crate::State>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<RotateResponse>, Problem> {
    let user = caller::user_in_path(&service, &headers, path)?;
    let version = service.keys.rotate(&user).await.map_err(no_key)?;
    Ok(Json(RotateResponse {
        version: version.ok_or_else(no_user)?,
    }))
}
