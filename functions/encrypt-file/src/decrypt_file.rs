//! `POST /decrypt_file`

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use caas_aws::{Unavailable, off_worker};
use caas_crypto::{ContentKey, session};
use caas_http::{FileForm, FormFile, Problem, ProblemKind, read_file_form, single_header};
use http::{HeaderMap, header};
use zeroize::Zeroizing;

use crate::{
    Admitted,
    encrypt_file::{ENCRYPTION_KEY, SUFFIX},
};

/// A form with the file to decrypt.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the form")]
struct DecryptForm {
    /// The encrypted file.
    #[schema(value_type = String, format = Binary)]
    file: FormFile,
    /// The key, unless it is in the header `Encryption-Key`.
    #[schema(pattern = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$", nullable = false)]
    key: Option<String>,
}

/// Decrypt a file
///
/// Takes what `/encrypt_file` returned, and returns the file.
#[utoipa::path(
    post,
    path = "/decrypt_file",
    tag = "Session files",
    params(("Encryption-Key" = Option<String>, Header, nullable = false,
        pattern = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$",
        example = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        description = "The key, unless it is in the form")),
    request_body(content = inline(DecryptForm), content_type = "multipart/form-data",
        example = json!({"file": "nonce, ciphertext and tag"})),
    security((), ("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The file", content_type = "application/octet-stream",
            body = inline(FormFile),
            headers(("Content-Disposition" = String, description = "The file's name without `.enc`")),
            example = "my notes"),
        Problem,
    )
)]
pub(crate) async fn decrypt_file(
    State(service): State<crate::State>,
    _: Admitted,
    request: Request,
) -> Result<Response, Problem> {
    let in_header = key_header(request.headers())?;
    let FileForm {
        file,
        texts: [in_form],
    } = read_file_form(request, service.config.http.max_body_bytes, ["key"]).await?;
    let key = match (in_header, in_form) {
        (Some(key), None) | (None, Some(key)) => key,
        (None, None) => {
            return Err(Problem::invalid(
                "Send the key in the field 'key' or in Encryption-Key.",
            ));
        }
        (Some(_), Some(_)) => {
            return Err(Problem::invalid(
                "Send the key once, in the form or in a header.",
            ));
        }
    };
    let key: ContentKey = key.parse().map_err(|_| {
        Problem::invalid("The key must be 32 bytes in base64url without padding, 43 characters.")
    })?;
    let sealed = file.content;
    let opened = off_worker(sealed.len(), move || session::open(&key, sealed)).await;
    let opened = opened.map_err(|Unavailable| ProblemKind::Internal)?;
    let content = opened.map_err(|_| {
        Problem::new(
            ProblemKind::IntegrityFailure,
            "The file does not open: it was changed, or the key belongs to another file.",
        )
    })?;
    let name = file.name.without_suffix(SUFFIX);
    Ok((
        [(header::CONTENT_DISPOSITION, name.content_disposition())],
        content,
    )
        .into_response())
}

fn key_header(headers: &HeaderMap) -> Result<Option<Zeroizing<String>>, Problem> {
    let Some(key) = single_header(headers, &ENCRYPTION_KEY)? else {
        return Ok(None);
    };
    let key = key.to_str().map(|key| Zeroizing::new(key.to_owned()));
    key.map(Some)
        .map_err(|_| Problem::invalid("The Encryption-Key header must be base64url."))
}
