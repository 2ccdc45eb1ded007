//! `DELETE /users/{uuid}`

use axum::extract::State;
use caas_http::{Audit, Json, Problem, Receipt};

use crate::{
    caller::UserInPath,
    error::{no_key, no_user},
};

/// Shred a user's keys
///
/// Everything that was encrypted for this user becomes unreadable and unverifiable: in this process
/// at once, in others within the seconds that keys are cached. The receipt says how many stored
/// versions of the user's record were removed; a repeat removes none, and says so.
#[utoipa::path(
    delete,
    path = "/users/{uuid}",
    operation_id = "delete_user",
    tag = "Users' keys",
    params(("uuid" = String, Path, description = "The user, a UUID with hyphens", format = "uuid",
        example = "123e4567-e89b-12d3-a456-426614174000")),
    responses(
        (status = 200, description = "The keys are shredded", body = Receipt, example = json!({
            "subject": "82d5f6e84272314ebc08beebb86811a10d645e983794726e4054086c63cc39be",
            "versions_removed": 1,
            "time": "2026-01-01T00:00:00.000Z",
            "request_id": "0191b9c4-7f3e-4a52-9c1d-2f6f0d5c8e11",
        })),
        Problem,
    )
)]
pub(crate) async fn shred_user(
    State(service): State<crate::State>,
    audit: Audit,
    UserInPath(user): UserInPath,
) -> Result<Json<Receipt>, Problem> {
    audit.intent().await?;
    let removed = service.keys.shred(&user).await.map_err(no_key)?;
    Ok(Json(audit.receipt(removed.ok_or_else(no_user)?)))
}
