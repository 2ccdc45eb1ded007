//! `DELETE /users/{uuid}`

use axum::extract::{Path, State, rejection::PathRejection};
use caas_http::{Problem, ProblemDetails};
use http::{HeaderMap, StatusCode};

use crate::{
    caller,
    error::{no_key, no_user},
};

/// Shred a user's keys
///
/// Everything that was encrypted for this user becomes unreadable and unverifiable: in this process
/// at once, in others within the seconds that keys are cached. A second time it does no harm.
#[utoipa::path(
    delete,
    path = "/users/{uuid}",
    tag = "Users' keys",
    params(("uuid" = String, Path, description = "The user, a UUID with hyphens", format = "uuid")),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 204, description = "There are no keys any more"),
        (status = "4XX", description = "A problem", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 503, description = "KMS or S3 is not available", body = ProblemDetails,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn shred_user(
    State(service): State<crate::State>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let user = caller::user_in_path(&service, &headers, path)?;
    if service.keys.shred(&user).await.map_err(no_key)? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(no_user())
    }
}
