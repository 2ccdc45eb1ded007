//! `GET /api/files`

use axum::extract::{Query, State, rejection::QueryRejection};
use caas_clients::Caller;
use caas_http::{Json, Problem};
use caas_vault::ListError;
use serde::{Deserialize, Serialize};

use crate::{description::FileEntry, service::unavailable};

/// Files in one page, unless the request asks for another number.
const DEFAULT_LIMIT: u16 = 100;

const MAX_LIMIT: u16 = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    limit: Option<String>,
    cursor: Option<String>,
}

/// A page of files.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct FileList {
    /// The files, in the order of their paths.
    files: Vec<FileEntry>,
    /// Where the next page begins; `null` on the last one.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// List files
///
/// A page may be shorter than `limit` and still not be the last.
#[utoipa::path(
    get,
    path = "/api/files",
    operation_id = "list_files",
    tag = "Stored files",
    params(
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 1000, example = 100,
            description = "Files per page, 100 by default"),
        ("cursor" = Option<String>, Query, pattern = "^[A-Za-z0-9_-]*$", example = "MDE5Li4u",
            description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of files", body = FileList, example = json!({
            "files": [{
                "id": "MDE5Li4u",
                "path": "0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e11/report.pdf",
                "name": "report.pdf",
                "size": 1000000,
                "created_at": "2026-01-01T00:00:00Z",
                "etag": "\"0191b9c4\"",
            }],
            "next_cursor": null,
        })),
        Problem,
    )
)]
pub(crate) async fn list(
    State(service): State<crate::State>,
    Caller(client): Caller,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<FileList>, Problem> {
    let Query(query) = query.map_err(|_| {
        Problem::invalid("Send 'limit' and 'cursor' once each, and nothing else in the query.")
    })?;
    let limit = limit(query.limit.as_deref())?;
    let page = service.vault.list(&client, limit, query.cursor.as_deref());
    let page = page.await.map_err(|error| match error {
        ListError::InvalidCursor(_) => {
            Problem::invalid("The cursor is not the 'next_cursor' of an earlier page.")
        }
        ListError::Unavailable(_) => unavailable(),
    })?;
    Ok(Json(FileList {
        files: page.files.into_iter().map(FileEntry::from).collect(),
        next_cursor: page.next_cursor,
    }))
}

fn limit(sent: Option<&str>) -> Result<u16, Problem> {
    let Some(text) = sent else {
        return Ok(DEFAULT_LIMIT);
    };
    match text.parse() {
        Ok(limit @ 1..=MAX_LIMIT) if text.bytes().all(|b| b.is_ascii_digit()) => Ok(limit),
        _ => Err(Problem::invalid(
            "'limit' must be a whole number from 1 to 1000.",
        )),
    }
}
