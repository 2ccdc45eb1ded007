//! `DELETE /api/files/{id}`

use axum::extract::{
    Path, Query, State,
    rejection::{PathRejection, QueryRejection},
};
use caas_http::{Problem, ProblemDetails};
use caas_inbox::delete_file;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::{
    file::key,
    service::{from_unavailable, in_time, invalid, not_found},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteQuery {
    purge: Option<String>,
}

/// Delete a file
///
/// The operator can recover it for a while, 30 days by default. With `purge=true` every version of
/// it is removed at once, and nobody can.
#[utoipa::path(
    delete,
    path = "/api/files/{id}",
    tag = "Stored files",
    params(
        ("id" = String, Path, description = "The file's id"),
        ("purge" = Option<bool>, Query, description = "Whether to remove every version for good"),
    ),
    responses(
        (status = 204, description = "The file is deleted"),
        (status = "4XX", description = "A problem", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 503, description = "S3 does not answer", body = ProblemDetails,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    State(service): State<crate::State>,
    headers: HeaderMap,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<DeleteQuery>, QueryRejection>,
) -> Result<StatusCode, Problem> {
    let key = key(&service, &headers, id)?;
    let query = query.map(|Query(query)| query.purge);
    let purge = match query.as_ref().map(Option::as_deref) {
        Ok(None | Some("false")) => false,
        Ok(Some("true")) => true,
        _ => return Err(invalid("The query takes 'purge', once, 'true' or 'false'.")),
    };
    in_time(async {
        let deleted = delete_file(&service.vault, service.inbox.as_ref(), &key, purge).await;
        match deleted.map_err(from_unavailable)? {
            true => Ok(StatusCode::NO_CONTENT),
            false => Err(not_found()),
        }
    })
    .await
}
