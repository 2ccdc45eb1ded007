//! `POST /users/{uuid}/rotate`

use axum::extract::State;
use caas_http::{Audit, Json, Problem};
use serde::Serialize;

use crate::{
    caller::UserInPath,
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
    params(("uuid" = String, Path, description = "The user, a UUID with hyphens", format = "uuid",
        example = "123e4567-e89b-12d3-a456-426614174000")),
    responses(
        (status = 200, description = "The new version", body = inline(RotateResponse),
            example = json!({"version": 2})),
        Problem,
    )
)]
pub(crate) async fn rotate_user(
    State(service): State<crate::State>,
    audit: Audit,
    UserInPath(user): UserInPath,
) -> Result<Json<RotateResponse>, Problem> {
    audit.intent().await?;
    let version = service.keys.rotate(&user).await.map_err(no_key)?;
    Ok(Json(RotateResponse {
        version: version.ok_or_else(no_user)?,
    }))
}
