//! `POST /encrypt_file`

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use caas_crypto::session;
use caas_http::{FileForm, Problem, ProblemDetails, read_file_form};
use http::{HeaderName, HeaderValue, header};

pub(crate) const ENCRYPTION_KEY: HeaderName = HeaderName::from_static("encryption-key");

/// Suffix of an encrypted file's name.
pub(crate) const SUFFIX: &str = ".enc";

/// The bytes of a file.
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "describes the body")]
pub(crate) struct BinaryFile(Vec<u8>);

/// A form with the file to encrypt.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the form")]
struct EncryptForm {
    /// The file.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Encrypt a file
///
/// Answers the file, encrypted with AES-256-GCM (12-byte nonce, ciphertext, 16-byte tag), and in
/// `Encryption-Key` the only key that opens it. Nothing is stored: keep both.
#[utoipa::path(
    post,
    path = "/encrypt_file",
    tag = "Session files",
    request_body(content = inline(EncryptForm), content_type = "multipart/form-data"),
    security((), ("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The encrypted file", content_type = "application/octet-stream",
            body = inline(BinaryFile),
            headers(
                ("Encryption-Key" = String, description = "32 bytes in base64url without padding"),
                ("Content-Disposition" = String, description = "The file's name with `.enc`"),
            )),
        (status = "4XX", description = "A problem", body = ProblemDetails,
            content_type = "application/problem+json"),
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
        Problem::internal()
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
