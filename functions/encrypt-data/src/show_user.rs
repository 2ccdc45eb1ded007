//! `GET /users/{uuid}`

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

/// The versions of a user's key. Never their ciphers or salts.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct UserKeyVersions {
    /// Oldest first.
    versions: Vec<Version>,
}

/// One version of a user's key.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Version {
    /// Its number.
    version: u32,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
}

/// List the versions of a user's key
#[utoipa::path(
    get,
    path = "/users/{uuid}",
    tag = "Users' keys",
    params(("uuid" = String, Path, description = "The user, a UUID with hyphens", format = "uuid")),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The versions", body = inline(UserKeyVersions)),
        (status = "4XX", description = "A problem", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 503, description = "KMS or S3 is not available", body = ProblemDetails,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show_user(
    State(service): State<crate::State>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<UserKeyVersions>, Problem> {
    let user = caller::user_in_path(&service, &headers, path)?;
    let versions = service.keys.versions(&user).await.map_err(no_key)?;
    let versions = versions.ok_or_else(no_user)?.into_iter();
    let versions = versions.map(|info| Version {
        version: info.version,
        created_at: info.created_at,
    });
    Ok(Json(UserKeyVersions {
        versions: versions.collect(),
    }))
}
