//! `GET` and `HEAD /api/files/{id}`

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use caas_aws::ObjectKey;
use caas_http::{FileName, FormFile, Problem};
use caas_vault::ObjectInfo;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::{
    Service,
    description::DEFAULT_CONTENT_TYPE,
    service::{StoredKey, does_not_open, from_get_error, from_unavailable, not_found},
};

const SIZE: HeaderName = HeaderName::from_static("caas-size");

/// Download a file
///
/// Nothing is sent before all of the file has been verified.
#[utoipa::path(
    get,
    path = "/api/files/{id}",
    operation_id = "get_file",
    tag = "Stored files",
    params(
        ("id" = String, Path, description = "The file's id", example = "MDE5Li4u"),
        ("If-None-Match" = Option<String>, Header, nullable = false, example = "\"0191b9c4\"",
            description = "ETags that the caller has"),
    ),
    responses(
        (status = 200, description = "The file, with the content type that it was stored with",
            headers(
                ("Content-Disposition" = String, description = "The file's name"),
                ("ETag" = String, description = "Changes with the file"),
                ("caas-size" = u64, description = "The file's length in bytes"),
            ),
            content(
                (inline(FormFile) = "application/octet-stream", example = "annual report"),
                (inline(FormFile) = "*/*", example = "annual report"),
            )),
        (status = 304, description = "The caller has it"),
        Problem,
    )
)]
pub(crate) async fn get(
    State(service): State<crate::State>,
    StoredKey(key): StoredKey,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if headers.contains_key(header::IF_NONE_MATCH) {
        let info = info(&service, &key).await?;
        if matches(&headers, &info.e_tag) {
            return Ok(not_modified(&info));
        }
    }
    let limit = service.config.http.max_body_bytes;
    let opened = service.vault.get(&key, limit).await;
    let opened = opened.map_err(|error| from_get_error(&error, limit))?;
    Ok((describe(&key, &opened.info)?, opened.content).into_response())
}

/// Describe a file
///
/// The headers of the download, without its body and without a request to KMS.
#[utoipa::path(
    head,
    path = "/api/files/{id}",
    operation_id = "head_file",
    tag = "Stored files",
    params(
        ("id" = String, Path, description = "The file's id", example = "MDE5Li4u"),
        ("If-None-Match" = Option<String>, Header, nullable = false, example = "\"0191b9c4\"",
            description = "ETags that the caller has"),
    ),
    responses(
        (status = 200, description = "The file's headers",
            headers(
                ("Content-Disposition" = String, description = "The file's name"),
                ("ETag" = String, description = "Changes with the file"),
                ("caas-size" = u64, description = "The file's length in bytes"),
            )),
        (status = 304, description = "The caller has it"),
        (status = "4XX", description = "A problem"),
        (status = "5XX", description = "A problem"),
    )
)]
pub(crate) async fn head(
    State(service): State<crate::State>,
    StoredKey(key): StoredKey,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let info = info(&service, &key).await?;
    if matches(&headers, &info.e_tag) {
        return Ok(not_modified(&info));
    }
    if info.header(&key).is_err() {
        return Err(does_not_open());
    }
    let length = [(header::CONTENT_LENGTH, HeaderValue::from(info.size()))];
    Ok((describe(&key, &info)?, length).into_response())
}

async fn info(service: &Service, key: &ObjectKey) -> Result<ObjectInfo, Problem> {
    let info = service.vault.head(key).await.map_err(from_unavailable)?;
    info.ok_or_else(not_found)
}

/// The headers of a file. Its content type is what its uploader claims: as an attachment, and with the
/// `nosniff` that every response has, no browser takes it for a page of ours.
fn describe(key: &ObjectKey, info: &ObjectInfo) -> Result<[(HeaderName, HeaderValue); 4], Problem> {
    let name: FileName = key.file_name().parse().map_err(|_| not_found())?;
    let default = HeaderValue::from_static(DEFAULT_CONTENT_TYPE);
    let stored = info.content_type.as_deref();
    let content_type = stored.and_then(|stored| HeaderValue::from_str(stored).ok());
    Ok([
        (header::CONTENT_TYPE, content_type.unwrap_or(default)),
        (header::CONTENT_DISPOSITION, name.content_disposition()),
        (header::ETAG, e_tag(info)),
        (SIZE, HeaderValue::from(info.size())),
    ])
}

fn not_modified(info: &ObjectInfo) -> Response {
    let e_tag = [(header::ETAG, e_tag(info))];
    (StatusCode::NOT_MODIFIED, e_tag).into_response()
}

fn e_tag(info: &ObjectInfo) -> HeaderValue {
    HeaderValue::from_str(&info.e_tag).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Whether `If-None-Match` names this ETag, weakly compared (RFC 9110 §13.1.2).
fn matches(headers: &HeaderMap, e_tag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == e_tag)
}
