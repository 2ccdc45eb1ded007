//! `DELETE /api/files/{id}`

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use caas_http::{Audit, Json, Problem, ProblemKind, Receipt};
use caas_inbox::delete_file;
use http::StatusCode;
use serde::Deserialize;

use crate::service::{StoredKey, from_unavailable, not_found};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteQuery {
    #[serde(default)]
    purge: bool,
}

/// Delete a file
///
/// The operator can recover it for a while, 30 days by default. With `purge=true` every version of
/// it is removed at once, and nobody can; the receipt says how many there were.
#[utoipa::path(
    delete,
    path = "/api/files/{id}",
    operation_id = "delete_file",
    tag = "Stored files",
    params(
        ("id" = String, Path, description = "The file's id", example = "MDE5Li4u"),
        ("purge" = Option<bool>, Query, example = false,
            description = "Whether to remove every version for good"),
    ),
    responses(
        (status = 200, description = "The file is purged", body = Receipt, example = json!({
            "subject": "6442a400b47e2ad958a95a36c03c7ff6c456b542df9826a6972deb811a13dee9",
            "versions_removed": 1,
            "time": "2026-01-01T00:00:00.000Z",
            "request_id": "0191b9c4-7f3e-4a52-9c1d-2f6f0d5c8e11",
        })),
        (status = 204, description = "The file is deleted"),
        Problem,
    )
)]
pub(crate) async fn delete(
    State(service): State<crate::State>,
    audit: Audit,
    StoredKey(key): StoredKey,
    query: Result<Query<DeleteQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(DeleteQuery { purge }) = query.map_err(|_| {
        Problem::invalid("Send 'purge' once, as 'true' or 'false', and nothing else in the query.")
    })?;
    if purge {
        audit.operation("DELETE /api/files/{id}?purge=true");
    }
    audit.intent().await?;
    let deleted = delete_file(&service.vault, service.inbox.as_ref(), &key, purge).await;
    let deleted = deleted.map_err(from_unavailable)?;
    match (deleted.found, purge) {
        (true, true) => Ok(Json(audit.receipt(deleted.removed)).into_response()),
        (true, false) => Ok(StatusCode::NO_CONTENT.into_response()),
        (false, true) => Err(Problem::new(
            ProblemKind::NotFound,
            "There is nothing left of a file with this id.",
        )),
        (false, false) => Err(not_found()),
    }
}
