//! `DELETE /api/files/{id}`

use axum::extract::{
    Path, Query, State,
    rejection::{PathRejection, QueryRejection},
};
use caas_aws::{ObjectKey, SOURCE_VERSION, Versions};
use caas_http::{Problem, ProblemDetails};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::{
    Service,
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
        let deleted = delete_everywhere(&service, &key, purge).await;
        match deleted.map_err(from_unavailable)? {
            true => Ok(StatusCode::NO_CONTENT),
            false => Err(not_found()),
        }
    })
    .await
}

/// Deletes the file wherever it is, and says whether there was one.
///
/// What was dropped may be being sealed at this moment. The delete marker in the inbox tells the
/// sealing function that it is deleted; the later one in the vault, that a file written over it came
/// too late (`functions/seal-object/src/plan.rs`).
async fn delete_everywhere(
    service: &Service,
    key: &ObjectKey,
    purge: bool,
) -> Result<bool, caas_aws::Unavailable> {
    let inbox = service.inbox.as_ref();
    // In this order: what is not in the inbox any more has been sealed before.
    let waiting = match inbox {
        Some(inbox) => inbox.versions(key).await?,
        None => Versions::default(),
    };
    let stored = service.vault.head(key).await?;
    let waits = !waiting.objects.is_empty();
    let is_sealed_drop = stored
        .as_ref()
        .is_some_and(|info| info.metadata.contains_key(SOURCE_VERSION));
    // A marker in the inbox means that a run may be under way that has read what was there before.
    let was_deleted = !waiting.delete_markers.is_empty();
    let dropped_in = inbox.filter(|_| waits || is_sealed_drop || was_deleted);

    if let Some(inbox) = dropped_in {
        inbox.delete(key).await?;
    }
    let mut found = waits || stored.is_some();
    match (purge, dropped_in.is_some()) {
        (true, true) => found |= service.vault.purge_to_marker(key).await? > 0,
        (true, false) => found |= service.vault.purge(key).await? > 0,
        (false, true) => service.vault.delete(key).await?,
        (false, false) if found => service.vault.delete(key).await?,
        (false, false) => {}
    }
    if let Some(inbox) = dropped_in {
        inbox.remove_objects(key, &waiting).await?;
    }
    Ok(found)
}
