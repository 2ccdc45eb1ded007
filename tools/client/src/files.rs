//! Lists, describes and deletes stored files.

use http::{Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use crate::{
    Client, Receipt, ServiceError,
    api::{SIZE, read, succeeded},
};

/// A file in a listing. Its [`path`](Self::path) and [`name`](Self::name) are what its uploader chose:
/// do not use them as paths on this machine, or print them to a terminal, unchecked.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedFile {
    /// The file's id.
    pub id: String,
    /// Where it is among the client's files, such as `0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e11/a.txt`.
    pub path: String,
    /// The end of the path.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// When it was stored, in RFC 3339.
    pub created_at: String,
}

/// Omits the names: they are content.
impl std::fmt::Debug for ListedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListedFile")
            .field("size", &self.size)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

/// A page of a listing, in the order of the paths.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FilePage {
    /// The files.
    pub files: Vec<ListedFile>,
    /// Where the next page begins, except on the last one.
    pub next_cursor: Option<String>,
}

/// What a stored file is, without its content.
#[derive(Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// The name it was uploaded under, as for [`ListedFile`].
    pub name: String,
    /// The content type it was uploaded with.
    pub content_type: String,
    /// Its length in bytes.
    pub size: u64,
    /// Changes with the file.
    pub etag: String,
}

/// Omits the names: they are content.
impl std::fmt::Debug for FileInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileInfo")
            .field("size", &self.size)
            .field("etag", &self.etag)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A page of up to `limit` files (1 to 1,000), from the start or from a cursor on. A page may be
    /// shorter and still not be the last.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn list(&self, limit: u16, cursor: Option<&str>) -> Result<FilePage, ServiceError> {
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}"));
        let path = format!("/api/files?limit={limit}{}", cursor.unwrap_or_default());
        read(self.call(Method::GET, &path, None).await?)
    }

    /// What a stored file is.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn info(&self, id: &str) -> Result<FileInfo, ServiceError> {
        let response = self.call(Method::HEAD, &file_path(id)?, None).await?;
        if !response.status.is_success() {
            return Err(no_body(response.status));
        }
        let header = |name| response.headers.get(name)?.to_str().ok();
        let size = header(SIZE).and_then(|size| size.parse().ok());
        Ok(FileInfo {
            name: header(header::CONTENT_DISPOSITION)
                .and_then(file_name)
                .ok_or(ServiceError::Unexpected)?,
            content_type: header(header::CONTENT_TYPE).unwrap_or_default().to_owned(),
            size: size.ok_or(ServiceError::Unexpected)?,
            etag: header(header::ETAG).unwrap_or_default().to_owned(),
        })
    }

    /// Deletes a file. The operator can recover it for a while.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn delete(&self, id: &str) -> Result<(), ServiceError> {
        succeeded(&self.call(Method::DELETE, &file_path(id)?, None).await?)
    }

    /// Deletes a file permanently, with all its older versions.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn purge(&self, id: &str) -> Result<Receipt, ServiceError> {
        let path = format!("{}?purge=true", file_path(id)?);
        read(self.call(Method::DELETE, &path, None).await?)
    }
}

/// The path of a file. An id consists of characters that need no escape in one, and what consists of
/// others is no id.
pub(crate) fn file_path(id: &str) -> Result<String, ServiceError> {
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match !id.is_empty() && id.bytes().all(is_id) {
        true => Ok(format!("/api/files/{id}")),
        false => Err(ServiceError::not_found()),
    }
}

/// A response to HEAD has no problem document.
fn no_body(status: StatusCode) -> ServiceError {
    match status {
        StatusCode::NOT_FOUND => ServiceError::not_found(),
        status => ServiceError::Refused {
            status: status.as_u16(),
            code: "unknown".to_owned(),
            title: status.canonical_reason().unwrap_or("Refused").to_owned(),
            detail: String::new(),
        },
    }
}

/// The file's name in `Content-Disposition` (RFC 6266): the service always sends `filename*`.
fn file_name(header: &str) -> Option<String> {
    let (_, name) = header.split_once("filename*=UTF-8''")?;
    let name = name.split(';').next()?;
    Some(percent_decode_str(name).decode_utf8().ok()?.into_owned())
}
