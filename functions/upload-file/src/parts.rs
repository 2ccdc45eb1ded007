//! `POST /api/uploads/parts`

use std::collections::BTreeMap;

use axum::extract::State;
use base64::{Engine, prelude::BASE64_STANDARD};
use caas_clients::Caller;
use caas_http::{Audit, Json, Problem};
use serde::{Deserialize, Serialize};

use crate::{
    description::rfc3339,
    grant::Encryption,
    service::{from_unavailable, from_upload_error, own_upload},
};

/// The most parts in one request.
const MAX_COUNT: u16 = 100;

/// Parts to send.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartsRequest {
    /// `upload` of the response to `POST /api/uploads`.
    upload: String,
    /// The number of the first part.
    #[schema(minimum = 1, maximum = 8192)]
    from: u16,
    /// How many parts.
    #[schema(minimum = 1, maximum = 100)]
    count: u16,
    /// The MD5 of each of these parts, in standard base64. It is signed, so S3 accepts only these
    /// bytes.
    #[schema(nullable = false, min_items = 1, max_items = 100)]
    content_md5: Option<Vec<String>>,
    /// Whether to return `encryption` again.
    #[serde(default)]
    resume: bool,
}

/// Where to send parts, and which of them S3 holds.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct PartRequests {
    /// Where to send each part. A part that is sent again replaces the earlier one.
    parts: Vec<PartRequest>,
    /// Those of them that S3 already holds.
    held: Vec<HeldPart>,
    /// With `resume`: what to encrypt the file with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    encryption: Option<Encryption>,
}

/// Where and how to send one part.
#[derive(Serialize, utoipa::ToSchema)]
struct PartRequest {
    /// Its number.
    number: u16,
    /// Where to send it. Whoever has this can, until it expires.
    url: String,
    /// The HTTP method.
    method: &'static str,
    /// The headers to send, exactly. All of them are signed; a browser sets `content-length` itself.
    headers: BTreeMap<String, String>,
    /// When S3 begins to refuse it: in five minutes at most.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// A part that S3 holds.
#[derive(Serialize, utoipa::ToSchema)]
struct HeldPart {
    /// Its number.
    number: u16,
    /// Its length in bytes.
    size: u64,
}

/// Get requests to S3 for parts of an upload
///
/// Keep the ETag of every part that S3 accepts: completing the upload requires it. Before you send
/// a part again, check that its bytes are those you sent first: other bytes under the same key give
/// away both.
#[utoipa::path(
    post,
    path = "/api/uploads/parts",
    operation_id = "upload_parts",
    tag = "Stored files",
    request_body(content = inline(PartsRequest), example = json!({
        "upload": "caas-upload:v1:AAAA", "from": 1, "count": 1,
    })),
    responses(
        (status = 200, description = "The parts can be sent", body = inline(PartRequests),
            example = json!({
                "parts": [{
                    "number": 1,
                    "url": "https://vault.example/film.mp4?partNumber=1",
                    "method": "PUT",
                    "headers": {"content-length": "8388608"},
                    "expires_at": "2026-01-01T00:05:00Z",
                }],
                "held": [{"number": 1, "size": 8388608}],
            })),
        Problem,
    )
)]
pub(crate) async fn parts(
    State(service): State<crate::State>,
    audit: Audit,
    Caller(client): Caller,
    Json(request): Json<PartsRequest>,
) -> Result<Json<PartRequests>, Problem> {
    let token = own_upload(&client, &request.upload, &audit)?;
    let PartsRequest { from, count, .. } = request;
    let last = token.layout().count();
    let is_legal = (1..=MAX_COUNT).contains(&count) && (1..=last).contains(&from);
    if !is_legal || count - 1 > last - from {
        return Err(Problem::invalid(format!(
            "'from' and 'count' must name 1 to {MAX_COUNT} of the parts 1 to {last}."
        )));
    }
    let md5s = content_md5s(request.content_md5, count)?;
    // First check that the upload exists: one that has ended gives no key and no request.
    let held = service.vault.held_parts(&token, from, count).await;
    let held = held.map_err(from_upload_error)?;
    let encryption = match request.resume {
        false => None,
        true => {
            let grant = service.vault.resume_upload(&token).await;
            Some(Encryption::new(&grant.map_err(from_upload_error)?))
        }
    };
    let wanted = token.layout().parts().skip(usize::from(from) - 1);
    let mut parts = Vec::with_capacity(md5s.len());
    for (part, md5) in wanted.zip(md5s) {
        let signed = service
            .vault
            .grant_part(&token, part, md5.as_deref(), &service.presigner)
            .await
            .map_err(from_unavailable)?;
        parts.push(PartRequest {
            number: part.0,
            url: signed.url,
            method: signed.method,
            headers: signed.headers,
            expires_at: rfc3339(signed.expires_at),
        });
    }
    let held = held.into_iter().map(|part| HeldPart {
        number: part.number,
        size: part.size,
    });
    Ok(Json(PartRequests {
        parts,
        held: held.collect(),
        encryption,
    }))
}

/// One MD5 for each part, if they are named.
fn content_md5s(named: Option<Vec<String>>, count: u16) -> Result<Vec<Option<String>>, Problem> {
    let Some(md5s) = named else {
        return Ok(vec![None; count.into()]);
    };
    let is_md5 = |text: &String| matches!(BASE64_STANDARD.decode(text), Ok(md5) if md5.len() == 16);
    if md5s.len() != usize::from(count) || !md5s.iter().all(is_md5) {
        return Err(Problem::invalid(
            "'content_md5' must be the MD5 of each part, in standard base64 with padding.",
        ));
    }
    Ok(md5s.into_iter().map(Some).collect())
}
