//! `DELETE /users/{uuid}`

use axum::extract::State;
use caas_http::Problem;
use http::StatusCode;

use crate::{
    caller::UserInPath,
    error::{no_key, no_user},
};

/// Shred a user's keys
///
/// Everything that was encrypted for this user becomes unreadable and unverifiable: in this process
/// at once, in others within the seconds that keys are cached. Repeating it is harmless.
#[utoipa::path(
    delete,
    path = "/users/{uuid}",
    operation_id = "delete_user",
    tag = "Users' keys",
    params(("uuid" = String, Path, description = "The user, a UUID with hyphens", format = "uuid",
        example = "123e4567-e89b-12d3-a456-426614174000")),
    responses(
        (status = 204, description = "The keys are shredded"),
        Problem,
    )
)]
pub(crate) async fn shred_user(
    State(service): State<crate::State>,
    UserInPath(user): UserInPath,
) -> Result<StatusCode, Problem> {
    if service.keys.shred(&user).await.map_err(no_key)? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(no_user())
    }
}
