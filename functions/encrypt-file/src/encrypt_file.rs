//! `POST /encrypt_file`

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use caas_aws::{Unavailable, off_worker};
use caas_crypto::session;
use caas_http::{FileForm, FormFile, Json, Problem, ProblemKind, read_file_form};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::Admitted;

pub(crate) const ENCRYPTION_KEY: HeaderName = HeaderName::from_static("encryption-key");

/// Suffix of an encrypted file's name.
pub(crate) const SUFFIX: &str = ".enc";

/// The response to a browser that posts a form: it would save the file and discard the headers.
const PAGE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Nothing was encrypted</title>\
<h1>Nothing was encrypted</h1>\
<p>A browser that posts a form saves the encrypted file and discards the header <code>Encryption-Key</code>, the \
only key that opens it. The file would be lost.</p>\
<p>Send the form with JavaScript (<code>fetch</code>), or with <code>Accept: application/json</code>, which puts \
the key into the body:</p>\
<pre>curl -H 'accept: application/json' -F file=@FILE URL/encrypt_file</pre></html>\n";

/// A file and its key, for a caller that does not read headers.
#[derive(Serialize, utoipa::ToSchema)]
struct EncryptedFile {
    /// The file's name with `.enc`.
    name: String,
    /// The only key that opens it: 32 bytes in base64url without padding.
    #[schema(value_type = String)]
    key: Zeroizing<String>,
    /// Nonce, ciphertext and tag in base64.
    #[schema(content_encoding = "base64")]
    file: String,
}

/// Encrypt a file
///
/// Returns the file, encrypted with AES-256-GCM (12-byte nonce, ciphertext, 16-byte tag), and in
/// `Encryption-Key` the only key that opens it. Nothing is stored: keep both. With
/// `Accept: application/json` alone, name, key and file are in the body.
#[utoipa::path(
    post,
    path = "/encrypt_file",
    tag = "Session files",
    request_body(content = inline(FileForm<0>), content_type = "multipart/form-data",
        example = json!({"file": "my notes"})),
    security((), ("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The encrypted file",
            headers(
                ("Encryption-Key" = String, description = "32 bytes in base64url without padding"),
                ("Content-Disposition" = String, description = "The file's name with `.enc`"),
            ),
            content(
                (inline(FormFile) = "application/octet-stream", example = "nonce, ciphertext and tag"),
                (inline(EncryptedFile) = "application/json", example = json!({
                    "name": "notes.txt.enc",
                    "key": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                    "file": "bm9uY2UsIGNpcGhlcnRleHQgYW5kIHRhZw==",
                })),
            )),
        (status = 406, description = "A page for a browser that posts a form: it would lose the key",
            content_type = "text/html", body = String, example = "<!doctype html>"),
        Problem,
    )
)]
pub(crate) async fn encrypt_file(
    State(service): State<crate::State>,
    _: Admitted,
    request: Request,
) -> Result<Response, Problem> {
    let takes = Takes::read(request.headers());
    if matches!(takes, Takes::Page) {
        let html = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
        return Ok((StatusCode::NOT_ACCEPTABLE, html, PAGE).into_response());
    }
    let FileForm { file, texts: [] } =
        read_file_form(request, service.config.http.max_body_bytes, []).await?;
    let content = file.content;
    let sealed = off_worker(content.len(), move || session::seal(content)).await;
    let sealed = sealed.map_err(|Unavailable| ProblemKind::Internal)?;
    let (key, sealed) = sealed.map_err(|error| {
        tracing::error!(%error, "cannot encrypt a file");
        Problem::from(ProblemKind::Internal)
    })?;
    let name = file.name.with_suffix(SUFFIX);
    let key = key.to_base64url();
    let mut in_header = HeaderValue::try_from(key.as_str()).expect("base64url");
    in_header.set_sensitive(true);
    let headers = [
        (ENCRYPTION_KEY, in_header),
        (header::CONTENT_DISPOSITION, name.content_disposition()),
    ];
    if matches!(takes, Takes::File) {
        return Ok((headers, sealed).into_response());
    }
    let body = EncryptedFile {
        name: name.as_str().to_owned(),
        file: BASE64_STANDARD.encode(sealed),
        key,
    };
    Ok((headers, Json(body)).into_response())
}

/// What the caller can use.
enum Takes {
    File,
    Json,
    Page,
}

impl Takes {
    /// Reads `Accept` and `Sec-Fetch-Mode`. Libraries that list JSON before `*/*` get the file.
    fn read(headers: &HeaderMap) -> Self {
        let accept = headers.get_all(header::ACCEPT).iter();
        let accept = accept.filter_map(|value| value.to_str().ok());
        let ranges = accept.flat_map(|value| value.split(','));
        let ranges = ranges.map(|range| range.split(';').next().unwrap_or_default().trim());
        let ranges: Vec<_> = ranges.map(str::to_ascii_lowercase).collect();
        let lists = |range: &str| ranges.iter().any(|listed| listed == range);
        let navigates = headers.get("sec-fetch-mode");
        if lists("text/html") || navigates.is_some_and(|mode| mode == "navigate") {
            Self::Page
        } else if lists("application/json")
            && !["*/*", "application/*", "application/octet-stream"]
                .into_iter()
                .any(lists)
        {
            Self::Json
        } else {
            Self::File
        }
    }
}
