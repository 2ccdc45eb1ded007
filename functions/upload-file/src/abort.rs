//! `POST /api/uploads/abort`

use axum::extract::State;
use caas_clients::Caller;
use caas_http::{Audit, Json, Problem};
use caas_vault::UploadError;
use http::StatusCode;
use serde::Deserialize;

use crate::service::{from_unavailable, from_upload_error, own_upload};

/// An upload to abort.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AbortRequest {
    /// `upload` of the response to `POST /api/uploads`.
    upload: String,
}

/// Abort an upload in parts
///
/// Removes the parts. A part in transit may remain, invisible, until the upload would have ended. A
/// completed upload is reported as absent: delete its file instead.
#[utoipa::path(
    post,
    path = "/api/uploads/abort",
    operation_id = "abort_upload",
    tag = "Stored files",
    request_body(content = inline(AbortRequest), example = json!({
        "upload": "caas-upload:v1:AAAA",
    })),
    responses(
        (status = 204, description = "The upload is aborted"),
        Problem,
    )
)]
pub(crate) async fn abort(
    State(service): State<crate::State>,
    audit: Audit,
    Caller(client): Caller,
    Json(request): Json<AbortRequest>,
) -> Result<StatusCode, Problem> {
    let token = own_upload(&client, &request.upload, &audit)?;
    audit.intent().await?;
    let aborted = service.vault.abort_upload(&token).await;
    match aborted.map_err(from_unavailable)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(from_upload_error(UploadError::NotFound)),
    }
}
