//! `POST /api/uploads/complete`

use axum::extract::State;
use caas_clients::Caller;
use caas_http::{Audit, Json, Problem};
use caas_vault::PartETag;
use serde::Deserialize;

use crate::{
    description::StoredFile,
    service::{from_upload_error, own_upload},
};

/// An upload whose parts have all been sent.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompleteRequest {
    /// `upload` of the response to `POST /api/uploads`.
    upload: String,
    /// Every part, in the order of their numbers.
    #[schema(min_items = 1, max_items = 8192)]
    parts: Vec<SentPart>,
}

/// A part as it was sent.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct SentPart {
    /// Its number, from 1.
    #[schema(minimum = 1, maximum = 8192)]
    number: u16,
    /// The ETag that S3 returned for it, with its quotes.
    #[schema(pattern = "^\"[0-9a-f]{32}\"$")]
    etag: String,
}

/// Complete an upload in parts
///
/// Makes the file visible. S3 compares the ETags and refuses a part that was replaced after its
/// ETag was returned. If the response is lost or is a 503, repeat the request: a repeat returns the
/// same, and S3 may need longer to assemble a large file than a response may take.
#[utoipa::path(
    post,
    path = "/api/uploads/complete",
    operation_id = "complete_upload",
    tag = "Stored files",
    request_body(content = inline(CompleteRequest), example = json!({
        "upload": "caas-upload:v1:AAAA",
        "parts": [
            {"number": 1, "etag": "\"9e107d9d372bb6826bd81d3542a419d6\""},
            {"number": 2, "etag": "\"e4d909c290d0fb1ca068ffaddf22cbd0\""},
        ],
    })),
    responses(
        (status = 200, description = "The file is stored", body = inline(StoredFile), example = json!({
            "id": "MDE5Li4u",
            "name": "film.mp4",
            "size": 10000000,
            "content_type": "video/mp4",
            "created_at": "2026-01-01T00:00:00Z",
            "algorithm": "AES-256-GCM",
            "format": "amazon-s3-encryption-client-v3",
        })),
        Problem,
    )
)]
pub(crate) async fn complete(
    State(service): State<crate::State>,
    audit: Audit,
    Caller(client): Caller,
    Json(request): Json<CompleteRequest>,
) -> Result<Json<StoredFile>, Problem> {
    let token = own_upload(&client, &request.upload, &audit)?;
    let count = token.layout().count();
    let numbers = request.parts.iter().map(|part| part.number);
    if !numbers.eq(1..=count) {
        return Err(Problem::invalid(format!(
            "'parts' must name every part from 1 to {count} once, in order."
        )));
    }
    let e_tags = request.parts.iter().map(|part| PartETag::parse(&part.etag));
    let e_tags: Option<Vec<_>> = e_tags.collect();
    let e_tags = e_tags.ok_or_else(|| {
        Problem::invalid("An 'etag' must be what S3 returned for the part, with its quotes.")
    })?;
    let info = service.vault.complete_upload(&token, &e_tags).await;
    let info = info.map_err(from_upload_error)?;
    let size = info.size();
    let file = StoredFile::new(token.key(), size, info.content_type, info.last_modified);
    Ok(Json(file))
}
