//! `POST /api/uploads`

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use caas_aws::{ObjectKey, PresignedRequest, PutOptions};
use caas_http::{FileName, Problem, ProblemDetails, ProblemKind, read_json_object};
use caas_inbox::SINGLE_USE;
use caas_vault::{MAX_PUT_BYTES, UploadGrant};
use http::{StatusCode, header};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    Service,
    description::{DEFAULT_CONTENT_TYPE, rfc3339},
    grant::Encryption,
    service::{from_put_error, from_unavailable, in_time, invalid},
    upload::{invalid_name, new_key},
};

/// A file that is about to be uploaded.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the body")]
struct UploadRequest {
    /// The file's name; of a path its last component.
    #[schema(example = "film.mp4")]
    name: String,
    /// Its exact length in bytes.
    #[schema(maximum = 5_000_000_000_u64)]
    size: u64,
    /// Its content type, `application/octet-stream` by default.
    #[schema(example = "video/mp4", max_length = 255, nullable = false)]
    content_type: Option<String>,
    mode: Mode,
}

/// Who encrypts: the service, once the file is in its inbox, or the client, before it sends.
#[derive(Clone, Copy, utoipa::ToSchema)]
#[schema(as = UploadMode, rename_all = "lowercase")]
enum Mode {
    Inbox,
    Client,
}

/// Where and how to send the file.
#[derive(Serialize, utoipa::ToSchema)]
struct Upload {
    /// What will name the file in `/api/files/{id}`. Opaque.
    #[schema(example = "MDE5Li4u")]
    id: String,
    /// Where to send it. Whoever has this can, until it expires.
    #[schema(example = "https://…")]
    url: String,
    /// How.
    #[schema(example = "PUT")]
    method: &'static str,
    /// The headers to send, exactly. All of them are signed; a browser sets `content-length` itself.
    headers: BTreeMap<String, String>,
    /// When S3 begins to refuse it: in five minutes at most.
    #[schema(example = "2026-01-01T00:05:00Z", format = DateTime)]
    expires_at: String,
    /// In mode `client`: what to encrypt the file with, and only this file, once. The body to send is
    /// ciphertext and tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption: Option<Encryption>,
}

/// Begin an upload of up to 5 GB
///
/// Answers a request to S3 for the file itself: good for exactly this length, these headers, and five
/// minutes, and once. In mode `client` the client encrypts, and the plaintext never leaves it. In mode
/// `inbox` any HTTP client sends the file as it is; it lies unencrypted by us in the inbox until it is
/// sealed, which takes seconds, and is at `/api/files/{id}` from then on.
#[utoipa::path(
    post,
    path = "/api/uploads",
    tag = "Stored files",
    request_body(content = inline(UploadRequest), content_type = "application/json"),
    responses(
        (status = 201, description = "The file can be sent", body = inline(Upload),
            headers(("Location" = String, description = "The path that the file will have"))),
        (status = "4XX", description = "A problem", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 503, description = "KMS does not answer", body = ProblemDetails,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn begin(
    State(service): State<crate::State>,
    request: Request,
) -> Result<Response, Problem> {
    let client = service.authenticate(request.headers())?;
    let (parts, body) = request.into_parts();
    let limit = service.config.http.max_body_bytes;
    let mut fields = read_json_object(&parts.headers, body, limit).await?;
    let name = fields.text("name")?.ok_or_else(|| missing("name"))?;
    let size = fields.whole_number("size")?;
    let content_type = fields.text("content_type")?;
    let mode = fields.text("mode")?.ok_or_else(|| missing("mode"))?;
    fields.finish()?;

    let name: FileName = name.parse().map_err(|_| invalid_name())?;
    let mode = match mode.as_str() {
        "inbox" => Mode::Inbox,
        "client" => Mode::Client,
        _ => return Err(invalid("'mode' is 'inbox' or 'client'.")),
    };
    let content_type = content_type.as_ref().map_or(DEFAULT_CONTENT_TYPE, |it| it);
    let options = PutOptions::default().if_absent();
    let options = options.content_type(content_type).map_err(|_| {
        invalid("'content_type' is 1 to 255 visible ASCII characters, such as 'video/mp4'.")
    })?;
    let file = File {
        key: new_key(&client, Uuid::now_v7(), &name)?,
        size: size.ok_or_else(|| missing("size"))?,
        options,
    };
    let upload = in_time(async {
        match mode {
            Mode::Inbox => file.through_inbox(&service).await,
            Mode::Client => file.sealed_by_client(&service).await,
        }
    })
    .await?;
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
            return Err(invalid("There is no inbox here: use mode 'client'."));
        };
        self.admit(settings.max_bytes.min(MAX_PUT_BYTES))?;
        let options = self.options.metadata(SINGLE_USE, "true");
        let options = options.map_err(|_| Problem::internal())?;
        let (key, size) = (&self.key, self.size);
        let request = service.presigner.put(inbox.name(), key, size, &options);
        let request = request.await.map_err(from_unavailable)?;
        Ok(upload(key, request, None))
    }

    async fn sealed_by_client(self, service: &Service) -> Result<Upload, Problem> {
        self.admit(MAX_PUT_BYTES)?;
        let (key, size, options) = (&self.key, self.size, &self.options);
        let granted = service
            .vault
            .grant_upload(key, size, options, &service.presigner)
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
                format!("An upload has at most {limit} bytes. Send the file in several."),
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

fn missing(field: &'static str) -> Problem {
    Problem::new(
        ProblemKind::InvalidRequest,
        format!("The field '{field}' is missing."),
    )
}
