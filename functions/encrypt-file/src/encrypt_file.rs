//! `POST /encrypt_file`

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use caas_crypto::session;
use caas_http::{FileForm, FormFile, Problem, ProblemKind, read_file_form};
use http::{HeaderName, HeaderValue, header};

pub(crate) const ENCRYPTION_KEY: HeaderName = HeaderName::from_static("encryption-key");

/// Suffix of an encrypted file's name.
pub(crate) const SUFFIX: &str = ".enc";

/// Encrypt a file
///
/// Returns the file, encrypted with AES-256-GCM (12-byte nonce, ciphertext, 16-byte tag), and in
/// `Encryption-Key` the only key that opens it. Nothing is stored: keep both.
#[utoipa::path(
    post,
    path = "/encrypt_file",
    tag = "Session files",
    request_body(content = inline(FileForm<0>), content_type = "multipart/form-data",
        example = json!({"file": "my notes"})),
    security((), ("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The encrypted file", content_type = "application/octet-stream",
            body = inline(FormFile),
            headers(
                ("Encryption-Key" = String, description = "32 bytes in base64url without padding"),
                ("Content-Disposition" = String, description = "The file's name with `.enc`"),
            ), example = "nonce, ciphertext and tag"),
        Problem,
    )
)]
pub(crate) async fn encrypt_file(
    State(config): State<crate::State>,
    request: Request,
) -> Result<Response, Problem> {
    crate::authorize(&config, request.headers())?;
    let FileForm { file, texts: [] } =
        read_file_form(request, config.http.max_body_bytes, []).await?;
    let (key, sealed) = session::seal(file.content).map_err(|error| {
        tracing::error!(%error, "cannot encrypt a file");
        Problem::from(ProblemKind::Internal)
    })?;
    let mut key = HeaderValue::try_from(key.to_base64url().as_str()).expect("base64url");
    key.set_sensitive(true);
    let headers = [
        (ENCRYPTION_KEY, key),
        (
            header::CONTENT_DISPOSITION,
            file.name.with_suffix(SUFFIX).content_disposition(),
        ),
    ];
    Ok((headers, sealed).into_response())
}
