//! `POST /api/upload/`

use std::time::SystemTime;

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use caas_aws::{ObjectKey, PutOptions};
use caas_clients::Caller;
use caas_crypto::ClientName;
use caas_http::{Audit, FileForm, FileName, FormFile, Json, Problem, ProblemKind, read_file_form};
use caas_vault::PutError;
use http::{HeaderName, StatusCode, header};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    Service,
    description::StoredFile,
    idempotency::IdempotencyKey,
    service::{from_put_error, from_unavailable, unavailable},
};

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A file was stored.
#[derive(Serialize, utoipa::ToSchema)]
struct Uploaded {
    message: &'static str,
    file: StoredFile,
}

/// Store a file encrypted
///
/// Encrypts the file with its own key, has KMS wrap that key, and stores ciphertext and wrapped
/// key in S3. With an `Idempotency-Key` an upload may be repeated: a repeat returns the file that is
/// stored, with `idempotency-replayed: true`, whatever its name and content this time. Do not send
/// two files with one key at the same moment: under two names both would be stored.
#[utoipa::path(
    post,
    path = "/api/upload/",
    operation_id = "upload_file",
    tag = "Stored files",
    params(("Idempotency-Key" = Option<String>, Header, nullable = false,
        min_length = 1, max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$",
        example = "123e4567-e89b-12d3-a456-426614174000",
        description = "Recognises a repeat of this upload")),
    request_body(content = inline(FileForm<0>), content_type = "multipart/form-data",
        example = json!({"file": "annual report"})),
    responses(
        (status = 201, description = "The file is stored", body = inline(Uploaded),
            headers(
                ("Location" = String, description = "The path of the file"),
                ("idempotency-replayed" = String, description = "`true` for a repeat"),
            ),
            example = json!({
                "message": "File uploaded and encrypted successfully.",
                "file": {
                    "id": "MDE5Li4u",
                    "name": "report.pdf",
                    "size": 1000000,
                    "content_type": "application/pdf",
                    "created_at": "2026-01-01T00:00:00Z",
                    "algorithm": "AES-256-GCM",
                    "format": "amazon-s3-encryption-client-v3",
                },
            })),
        Problem,
    )
)]
pub(crate) async fn upload(
    State(service): State<crate::State>,
    audit: Audit,
    Caller(client): Caller,
    request: Request,
) -> Result<Response, Problem> {
    let key = IdempotencyKey::read(request.headers())?;
    let folder = key.map(|key| key.folder(&client));
    let max_body_bytes = service.config.http.max_body_bytes;
    let FileForm { file, texts: [] } = read_file_form(request, max_body_bytes, []).await?;
    match folder {
        None => {
            let key = new_key(&client, Uuid::now_v7(), &file.name)?;
            audit.subject(key.subject());
            let stored = put(&service, &key, file).await;
            stored.map_err(|error| from_put_error(&error))
        }
        Some(folder) => store_once(&service, &client, folder, file, &audit).await,
    }
}

/// Stores a file, unless there is one in the folder.
async fn store_once(
    service: &Service,
    client: &ClientName,
    folder: Uuid,
    file: FormFile,
    audit: &Audit,
) -> Result<Response, Problem> {
    let key = new_key(client, folder, &file.name)?;
    audit.subject(key.subject());
    let listed = service.vault.first_under(client, &folder.to_string()).await;
    if let Some(earlier) = listed.map_err(from_unavailable)? {
        audit.subject(earlier.key.subject());
        return replay(service, &earlier.key).await;
    }
    match put(service, &key, file).await {
        Err(PutError::PreconditionFailed) => replay(service, &key).await,
        stored => stored.map_err(|error| from_put_error(&error)),
    }
}

/// The key of a file that is uploaded.
pub(crate) fn new_key(
    client: &ClientName,
    folder: Uuid,
    name: &FileName,
) -> Result<ObjectKey, Problem> {
    ObjectKey::new(client, &format!("{folder}/{}", name.as_str()))
        .map_err(|_| ProblemKind::InvalidFilename.into())
}

async fn put(service: &Service, key: &ObjectKey, file: FormFile) -> Result<Response, PutError> {
    let mut options = PutOptions::default().if_absent();
    let mut content_type = None;
    if let Some(sent) = file.content_type
        && let Ok(with_type) = options.clone().content_type(&sent)
    {
        (options, content_type) = (with_type, Some(sent));
    }
    let stored = service.vault.put(key, file.content, &options).await?;
    let file = StoredFile::new(key, stored.size, content_type, SystemTime::now());
    Ok(uploaded(file))
}

/// The response for a file that is there already.
async fn replay(service: &Service, key: &ObjectKey) -> Result<Response, Problem> {
    let info = service.vault.head(key).await.map_err(from_unavailable)?;
    // It was there a moment ago: somebody deletes it, or its first upload failed. Try again.
    let info = info.ok_or_else(unavailable)?;
    let (size, content_type) = (info.size(), info.content_type);
    let file = StoredFile::new(key, size, content_type, info.last_modified);
    Ok(([(REPLAYED, "true")], uploaded(file)).into_response())
}

fn uploaded(file: StoredFile) -> Response {
    let location = format!("/api/files/{}", file.id());
    let body = Json(Uploaded {
        message: "File uploaded and encrypted successfully.",
        file,
    });
    (StatusCode::CREATED, [(header::LOCATION, location)], body).into_response()
}
