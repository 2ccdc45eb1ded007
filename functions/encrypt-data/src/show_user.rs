//! `GET /users/{uuid}`

use axum::extract::State;
use caas_http::{Json, Problem};
use serde::Serialize;

use crate::{
    caller::UserInPath,
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
    operation_id = "get_user",
    tag = "Users' keys",
    params(("uuid" = String, Path, description = "The user, a UUID with hyphens", format = "uuid",
        example = "123e4567-e89b-12d3-a456-426614174000")),
    responses(
        (status = 200, description = "The versions", body = inline(UserKeyVersions),
            example = json!({"versions": [{"version": 1, "created_at": "2026-01-01T00:00:00Z"}]})),
        Problem,
    )
)]
pub(crate) async fn show_user(
    State(service): State<crate::State>,
    UserInPath(user): UserInPath,
) -> Result<Json<UserKeyVersions>, Problem> {
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
