//! `POST /api/uploads`

use std::collections::BTreeMap;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use caas_aws::{ObjectKey, PresignedRequest, PutOptions};
use caas_clients::Caller;
use caas_http::{FileName, Json, Problem, ProblemKind};
use caas_inbox::{AFTER_DELETE, NO_DELETE, SINGLE_USE};
use caas_vault::{MAX_PUT_BYTES, UploadGrant};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::openapi::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};
use uuid::Uuid;

use crate::{
    Service,
    description::{DEFAULT_CONTENT_TYPE, rfc3339},
    grant::Encryption,
    service::{from_put_error, from_unavailable},
    upload::new_key,
};

/// A file that is about to be uploaded.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UploadRequest {
    /// The file's name; of a path its last component.
    #[schema(pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: String,
    #[schema(schema_with = file_size)]
    size: u64,
    /// Its content type, `application/octet-stream` by default.
    #[schema(
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]([ -~]*[!-~])?$",
        nullable = false
    )]
    content_type: Option<String>,
    mode: Mode,
}

/// Who encrypts: the service, once the file is in its inbox, or the client, before it sends.
#[derive(Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = UploadMode)]
enum Mode {
    Inbox,
    Client,
}

/// Where and how to send the file.
#[derive(Serialize, utoipa::ToSchema)]
struct Upload {
    /// What will name the file in `/api/files/{id}`. Opaque.
    id: String,
    /// Where to send it. Whoever has this can, until it expires.
    url: String,
    /// How.
    method: &'static str,
    /// The headers to send, exactly. All of them are signed; a browser sets `content-length` itself.
    headers: BTreeMap<String, String>,
    /// When S3 begins to refuse it: in five minutes at most.
    #[schema(format = DateTime)]
    expires_at: String,
    /// In mode `client`: what to encrypt the file with, and only this file, once. The body to send is
    /// ciphertext and tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    encryption: Option<Encryption>,
}

/// Begin an upload of up to 5 GB
///
/// Returns a request to S3 for the file itself: good for exactly this length, these headers, and five
/// minutes, and once. In mode `client` the client encrypts, and the plaintext never leaves it. In mode
/// `inbox` any HTTP client sends the file as it is; it lies unencrypted by us in the inbox until it is
/// sealed, which takes seconds, and is at `/api/files/{id}` from then on.
#[utoipa::path(
    post,
    path = "/api/uploads",
    operation_id = "begin_upload",
    tag = "Stored files",
    request_body(content = inline(UploadRequest), example = json!({
        "name": "film.mp4", "size": 1000000, "content_type": "video/mp4", "mode": "inbox",
    })),
    responses(
        (status = 201, description = "The file can be sent", body = inline(Upload),
            headers(("Location" = String, description = "The path that the file will have")),
            example = json!({
                "id": "MDE5Li4u",
                "url": "https://inbox.example/film.mp4",
                "method": "PUT",
                "headers": {"content-type": "video/mp4", "content-length": "1000000"},
                "expires_at": "2026-01-01T00:05:00Z",
            })),
        Problem,
    )
)]
pub(crate) async fn begin(
    State(service): State<crate::State>,
    Caller(client): Caller,
    Json(request): Json<UploadRequest>,
) -> Result<Response, Problem> {
    let name: FileName = request
        .name
        .parse()
        .map_err(|_| ProblemKind::InvalidFilename)?;
    let content_type = request.content_type.as_deref();
    let options = PutOptions::default().if_absent();
    let options = options.content_type(content_type.unwrap_or(DEFAULT_CONTENT_TYPE));
    let file = File {
        key: new_key(&client, Uuid::now_v7(), &name)?,
        size: request.size,
        options: options.map_err(|_| {
            Problem::invalid(
                "'content_type' must be 1 to 255 visible ASCII characters, such as 'video/mp4'.",
            )
        })?,
    };
    let upload = match request.mode {
        Mode::Inbox => file.through_inbox(&service).await,
        Mode::Client => file.sealed_by_client(&service).await,
    }?;
    let location = format!("/api/files/{}", upload.id);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(upload),
    )
        .into_response())
}

/// What will be uploaded.
struct File {
    key: ObjectKey,
    size: u64,
    options: PutOptions,
}

impl File {
    async fn through_inbox(self, service: &Service) -> Result<Upload, Problem> {
        let (Some(inbox), Some(settings)) = (&service.inbox, &service.config.inbox) else {
            return Err(Problem::invalid(
                "There is no inbox here: use mode 'client'.",
            ));
        };
        self.admit(settings.max_bytes.min(MAX_PUT_BYTES))?;
        let options = self.options.metadata(SINGLE_USE, "true");
        let options = options.map_err(|_| ProblemKind::Internal)?;
        let (key, size, metadata) = (&self.key, self.size, options.metadata_pairs().collect());
        let request = service
            .presigner
            .put(inbox.name(), key, size, &options, metadata);
        let request = request.await.map_err(from_unavailable)?;
        Ok(upload(key, request, None))
    }

    async fn sealed_by_client(self, service: &Service) -> Result<Upload, Problem> {
        self.admit(MAX_PUT_BYTES)?;
        let options = self.options.metadata(AFTER_DELETE, NO_DELETE);
        let options = options.map_err(|_| ProblemKind::Internal)?;
        let (key, size) = (&self.key, self.size);
        let granted = service
            .vault
            .grant_upload(key, size, &options, &service.presigner)
            .await;
        let UploadGrant {
            request,
            encryption,
        } = granted.map_err(|error| from_put_error(&error))?;
        Ok(upload(key, request, Some(Encryption::new(&encryption))))
    }

    fn admit(&self, limit: u64) -> Result<(), Problem> {
        if self.size > limit {
            return Err(Problem::new(
                ProblemKind::TooLarge,
                format!("An upload has at most {limit} bytes. Split it into smaller files."),
            ));
        }
        Ok(())
    }
}

fn upload(key: &ObjectKey, request: PresignedRequest, encryption: Option<Encryption>) -> Upload {
    Upload {
        id: key.id(),
        url: request.url,
        method: request.method,
        headers: request.headers,
        expires_at: rfc3339(request.expires_at),
        encryption,
    }
}

fn file_size() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .description(Some("Its exact length in bytes."))
        .minimum(Some(0))
        .maximum(Some(MAX_PUT_BYTES))
        .build()
}
