//! `POST /api/files/{id}/grant`

use axum::extract::State;
use base64::{Engine, prelude::BASE64_STANDARD};
use caas_crypto::stored;
use caas_http::{Json, Problem};
use caas_vault::DownloadGrant;
use serde::Serialize;

use crate::{
    description::{DEFAULT_CONTENT_TYPE, rfc3339},
    service::{StoredKey, from_get_error},
};

/// How the body of one stored object is encrypted: AES-256-GCM, with the tag at its end. Binary values
/// are standard base64 with padding.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Encryption {
    /// The key, 32 bytes, of this object alone.
    key: String,
    /// The initialisation vector, 12 bytes.
    iv: String,
    /// The additional data.
    aad: String,
    /// The tag's length in bytes.
    tag_length: usize,
}

impl Encryption {
    pub(crate) fn new(grant: &stored::Grant) -> Self {
        Self {
            key: BASE64_STANDARD.encode(grant.key().expose()),
            iv: BASE64_STANDARD.encode(grant.iv()),
            aad: BASE64_STANDARD.encode(grant.aad()),
            tag_length: stored::TAG_LEN,
        }
    }
}

/// Where to fetch a file, and how to open it.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Grant {
    /// Where to GET the encrypted file, exactly this version of it. Whoever has this can, until it
    /// expires; ranges are served.
    url: String,
    /// When S3 begins to refuse the URL: in five minutes at most.
    #[schema(format = DateTime)]
    expires_at: String,
    /// How to open it. This does not expire.
    encryption: Encryption,
    /// The file's length in bytes, without the tag.
    size: u64,
    /// Its name.
    name: String,
    /// The content type it was uploaded with.
    content_type: String,
    /// The ETag of this version. A transfer that outlasts the URL can continue with another grant
    /// that has the same ETag; with another ETag, the file was replaced.
    etag: String,
}

/// Get a link to a file, and the key that opens it
///
/// For files of any size: no byte of the file goes through the service, and none is checked by it. Do
/// not use a byte before the tag of all of them has been verified. A grant is as good as the file:
/// the URL expires, but the key opens this version permanently.
#[utoipa::path(
    post,
    path = "/api/files/{id}/grant",
    operation_id = "grant_file",
    tag = "Stored files",
    params(("id" = String, Path, description = "The file's id", example = "MDE5Li4u")),
    responses(
        (status = 200, description = "The grant", body = inline(Grant), example = json!({
            "url": "https://vault.example/film.mp4",
            "expires_at": "2026-01-01T00:05:00Z",
            "encryption": {
                "key": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
                "iv": "AQEBAQEBAQEBAQEB",
                "aad": "AHM=",
                "tag_length": 16,
            },
            "size": 1000000,
            "name": "film.mp4",
            "content_type": "video/mp4",
            "etag": "\"0191b9c4\"",
        })),
        Problem,
    )
)]
pub(crate) async fn grant(
    State(service): State<crate::State>,
    StoredKey(key): StoredKey,
) -> Result<Json<Grant>, Problem> {
    let granted = service.vault.grant_download(&key, &service.presigner).await;
    let DownloadGrant {
        request,
        encryption,
        info,
    } = granted.map_err(|error| from_get_error(&error, u64::MAX))?;
    let content_type = info.content_type.clone();
    Ok(Json(Grant {
        url: request.url,
        expires_at: rfc3339(request.expires_at),
        encryption: Encryption::new(&encryption),
        size: info.size(),
        name: key.file_name().to_owned(),
        content_type: content_type.unwrap_or_else(|| DEFAULT_CONTENT_TYPE.to_owned()),
        etag: info.e_tag,
    }))
}
