//! `DELETE /api/files/{id}`

use axum::extract::{Query, State, rejection::QueryRejection};
use caas_http::Problem;
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
/// it is removed at once, and nobody can.
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
        (status = 204, description = "The file is deleted"),
        Problem,
    )
)]
pub(crate) async fn delete(
    State(service): State<crate::State>,
    StoredKey(key): StoredKey,
    query: Result<Query<DeleteQuery>, QueryRejection>,
) -> Result<StatusCode, Problem> {
    let Query(DeleteQuery { purge }) = query.map_err(|_| {
        Problem::invalid("Send 'purge' once, as 'true' or 'false', and nothing else in the query.")
    })?;
    let deleted = delete_file(&service.vault, service.inbox.as_ref(), &key, purge).await;
    match deleted.map_err(from_unavailable)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(not_found()),
    }
}
