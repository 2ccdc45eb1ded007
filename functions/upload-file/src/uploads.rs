//! `POST /api/uploads`

use std::{collections::BTreeMap, time::SystemTime};

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use caas_aws::{ObjectKey, PresignedRequest, PutOptions};
use caas_clients::Caller;
use caas_crypto::{ClientName, stored::MAX_PLAINTEXT_LEN};
use caas_http::{Audit, FileName, Json, Problem, ProblemKind};
use caas_inbox::{AFTER_DELETE, NO_DELETE, SINGLE_USE};
use caas_vault::{
    InvalidLayout, MAX_PUT_BYTES, PART_LEN, PartLayout, PartsGrant, UploadGrant, UploadKey,
};
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
    #[schema(schema_with = part_size)]
    part_size: Option<u64>,
}

/// Who encrypts: the service, once the file is in its inbox, or the client, before it sends.
#[derive(Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = UploadMode)]
enum Mode {
    Inbox,
    Client,
}

/// Where and how to send the file: in one request, or in parts.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
enum Upload {
    One(UploadInOne),
    Parts(UploadInParts),
}

/// Where and how to send a file in one request.
#[derive(Serialize, utoipa::ToSchema)]
struct UploadInOne {
    /// What will name the file in `/api/files/{id}`. Opaque.
    id: String,
    /// Where to send it. Whoever has this can, until it expires.
    url: String,
    /// The HTTP method.
    method: &'static str,
    /// The headers to send, exactly. All of them are signed; a browser sets `content-length` itself.
    headers: BTreeMap<String, String>,
    /// When S3 begins to refuse it: in five minutes at most.
    #[schema(format = DateTime)]
    expires_at: String,
    /// In mode `client`: what to encrypt this file with, and nothing else, once. The body to send
    /// is ciphertext and tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    encryption: Option<Encryption>,
}

/// How to send a file in parts.
#[derive(Serialize, utoipa::ToSchema)]
struct UploadInParts {
    /// What will name the file in `/api/files/{id}`. Opaque.
    id: String,
    /// What to encrypt this file with, and nothing else, once, as one message. Divide ciphertext
    /// and tag into the parts. A part that is sent again must have the same bytes.
    encryption: Encryption,
    /// How to divide ciphertext and tag.
    parts: Parts,
    /// Names the upload in `/api/uploads/parts`, `/api/uploads/complete` and `/api/uploads/abort`.
    /// Opaque, and useless without an API key of the client.
    upload: String,
    /// When S3 may remove the parts of an incomplete upload.
    #[schema(format = DateTime)]
    ends_at: String,
}

/// The parts of an upload.
#[derive(Serialize, utoipa::ToSchema)]
struct Parts {
    /// The length of each in bytes; the last may be shorter.
    part_size: u64,
    /// How many there are. They are numbered from 1.
    count: u16,
}

/// Begin an upload of up to 64 GiB
///
/// Returns a request to S3 for the file itself, valid once, for five minutes, for exactly this
/// length and these headers. In mode `client` the client encrypts, and the plaintext never leaves
/// it. In mode `inbox` any HTTP client sends the file as it is, up to 5 GB; the inbox holds it,
/// unencrypted by us, until it is sealed seconds later, and from then on it is at
/// `/api/files/{id}`.
///
/// In mode `client` with a `part_size`, and always above 5 GB, the file is sent in parts: in any
/// order, over several connections, and over days. `POST /api/uploads/parts` returns where to send
/// them.
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
    audit: Audit,
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
        audit,
        client,
        name,
        size: request.size,
        options: options.map_err(|_| {
            Problem::invalid(
                "'content_type' must be 1 to 255 visible ASCII characters, such as 'video/mp4'.",
            )
        })?,
    };
    let (id, upload) = match (request.mode, request.part_size) {
        (Mode::Inbox, None) => file.through_inbox(&service).await,
        (Mode::Inbox, Some(_)) => Err(Problem::invalid(
            "Mode 'inbox' takes a file in one request: leave out 'part_size', or use mode 'client'.",
        )),
        (Mode::Client, None) if file.size <= MAX_PUT_BYTES => file.sealed_by_client(&service).await,
        (Mode::Client, part_size) => file.in_parts(&service, part_size).await,
    }?;
    let location = format!("/api/files/{id}");
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(upload),
    )
        .into_response())
}

/// What will be uploaded.
struct File {
    audit: Audit,
    client: ClientName,
    name: FileName,
    size: u64,
    options: PutOptions,
}

impl File {
    async fn through_inbox(self, service: &Service) -> Result<(String, Upload), Problem> {
        let (Some(inbox), Some(settings)) = (&service.inbox, &service.config.inbox) else {
            return Err(Problem::invalid(
                "There is no inbox here: use mode 'client'.",
            ));
        };
        let limit = settings.max_bytes.min(MAX_PUT_BYTES);
        if self.size > limit {
            return Err(Problem::new(
                ProblemKind::TooLarge,
                format!(
                    "In mode 'inbox' a file has at most {limit} bytes. Mode 'client' sends larger \
                     files in parts."
                ),
            ));
        }
        let key = self.key()?;
        let options = self.options.metadata(SINGLE_USE, "true");
        let options = options.map_err(|_| ProblemKind::Internal)?;
        let (size, metadata) = (self.size, options.metadata_pairs().collect());
        let request = service
            .presigner
            .put(inbox.name(), &key, size, &options, metadata);
        let request = request.await.map_err(from_unavailable)?;
        Ok(in_one(&key, request, None))
    }

    async fn sealed_by_client(self, service: &Service) -> Result<(String, Upload), Problem> {
        let key = self.key()?;
        let options = after_no_delete(self.options)?;
        let granted = service
            .vault
            .grant_upload(&key, self.size, &options, &service.presigner)
            .await;
        let UploadGrant {
            request,
            encryption,
        } = granted.map_err(|error| from_put_error(&error))?;
        Ok(in_one(&key, request, Some(Encryption::new(&encryption))))
    }

    async fn in_parts(
        self,
        service: &Service,
        part_size: Option<u64>,
    ) -> Result<(String, Upload), Problem> {
        let layout = PartLayout::new(self.size, part_size).map_err(|error| match error {
            InvalidLayout::Size => Problem::new(
                ProblemKind::TooLarge,
                format!("A file has at most {MAX_PLAINTEXT_LEN} bytes. Split it."),
            ),
            InvalidLayout::PartSize => Problem::invalid(format!(
                "'part_size' must be from {PART_LEN} to {MAX_PUT_BYTES} bytes."
            )),
        })?;
        let key = UploadKey::new(&self.client, self.name.as_str());
        let key = key.map_err(|_| ProblemKind::InvalidFilename)?;
        self.audit.subject(key.object_key().subject());
        let id = key.object_key().id();
        let options = after_no_delete(self.options)?;
        // Taken before the upload begins, so that it does not end sooner.
        let ends_at = SystemTime::now() + service.config.upload_lifetime;
        let granted = service.vault.begin_upload(key, layout, &options).await;
        let PartsGrant { token, encryption } = granted.map_err(|error| from_put_error(&error))?;
        let upload = UploadInParts {
            id: id.clone(),
            encryption: Encryption::new(&encryption),
            parts: Parts {
                part_size: layout.part_size(),
                count: layout.count(),
            },
            upload: token.to_string(),
            ends_at: rfc3339(ends_at),
        };
        Ok((id, Upload::Parts(upload)))
    }

    fn key(&self) -> Result<ObjectKey, Problem> {
        let key = new_key(&self.client, Uuid::now_v7(), &self.name)?;
        self.audit.subject(key.subject());
        Ok(key)
    }
}

/// Marks a file that a late request of the client may bring back after a deletion.
fn after_no_delete(options: PutOptions) -> Result<PutOptions, Problem> {
    let options = options.metadata(AFTER_DELETE, NO_DELETE);
    options.map_err(|_| ProblemKind::Internal.into())
}

fn in_one(
    key: &ObjectKey,
    request: PresignedRequest,
    encryption: Option<Encryption>,
) -> (String, Upload) {
    let id = key.id();
    let upload = UploadInOne {
        id: id.clone(),
        url: request.url,
        method: request.method,
        headers: request.headers,
        expires_at: rfc3339(request.expires_at),
        encryption,
    };
    (id, Upload::One(upload))
}

fn file_size() -> Object {
    whole_number("Its exact length in bytes; in mode `inbox` at most 5,000,000,000.")
        .minimum(Some(0))
        .maximum(Some(MAX_PLAINTEXT_LEN))
        .build()
}

fn part_size() -> Object {
    whole_number(
        "Sends the file in parts of this length in bytes (mode `client`). Above 5 GB, files are sent \
         in parts of 8 MiB even without it.",
    )
    .minimum(Some(PART_LEN as u64))
    .maximum(Some(MAX_PUT_BYTES))
    .build()
}

fn whole_number(description: &'static str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .description(Some(description))
}
