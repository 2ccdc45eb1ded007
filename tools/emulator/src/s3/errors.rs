//! S3's error codes.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>

use std::io;

use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ALLOW, CONTENT_TYPE, LAST_MODIFIED},
};
use s3s::{
    S3Error, S3ErrorCode,
    dto::{Timestamp, TimestampFormat},
    s3_error,
};

use crate::store::{StoreError, bucket::Version};

impl From<StoreError> for S3Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoSuchBucket => {
                s3_error!(NoSuchBucket, "The specified bucket does not exist")
            }
            StoreError::BucketExists => s3_error!(
                BucketAlreadyOwnedByYou,
                "Your previous request to create the named bucket succeeded and you already own it."
            ),
            StoreError::BucketNotEmpty => {
                s3_error!(
                    BucketNotEmpty,
                    "The bucket you tried to delete is not empty"
                )
            }
            StoreError::NoSuchKey => s3_error!(NoSuchKey, "The specified key does not exist."),
            StoreError::NoSuchUpload => s3_error!(
                NoSuchUpload,
                "The specified upload does not exist. The upload ID may be invalid, or the upload \
                 may have been aborted or completed."
            ),
            StoreError::PreconditionFailed => precondition_failed(),
            StoreError::Conflict => s3_error!(
                ConditionalRequestConflict,
                "The conditional request cannot succeed due to a conflicting operation against \
                 this resource."
            ),
            StoreError::TooLarge => s3_error!(
                EntityTooLarge,
                "Your proposed upload exceeds the maximum allowed size"
            ),
            StoreError::IncompleteBody => incomplete_body(),
            StoreError::Body(source) => body_error(&source.to_string()),
            StoreError::Io(source) => {
                tracing::error!(cause = %source, "S3 operation failed");
                if is_full(&source) {
                    storage_full()
                } else {
                    S3Error::internal_error(source)
                }
            }
        }
    }
}

fn storage_full() -> S3Error {
    let code = S3ErrorCode::Custom("StorageFull".into());
    let mut error = S3Error::with_message(code, "There is no room on the disk.");
    error.set_status_code(StatusCode::INSUFFICIENT_STORAGE);
    error
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

pub(super) fn precondition_failed() -> S3Error {
    s3_error!(
        PreconditionFailed,
        "At least one of the pre-conditions you specified did not hold"
    )
}

pub(super) fn not_implemented() -> S3Error {
    s3_error!(
        NotImplemented,
        "A header you provided implies functionality that is not implemented"
    )
}

pub(super) fn no_such_version() -> S3Error {
    s3_error!(NoSuchVersion, "The specified version does not exist.")
}

/// The current version is a delete marker: the key is absent, and headers say why.
pub(super) fn current_is_delete_marker(marker: &Version) -> S3Error {
    let mut error = S3Error::from(StoreError::NoSuchKey);
    error.set_headers(marker_headers(marker));
    error
}

/// The requested version is a delete marker, which cannot be read.
pub(super) fn version_is_delete_marker(marker: &Version) -> S3Error {
    let mut error = s3_error!(
        MethodNotAllowed,
        "The specified method is not allowed against this resource."
    );
    let mut headers = marker_headers(marker);
    headers.insert(ALLOW, HeaderValue::from_static("DELETE"));
    let mut modified = Vec::new();
    let formatted = timestamp(marker.record.created_ms)
        .format(TimestampFormat::HttpDate, &mut modified)
        .ok()
        .and_then(|()| HeaderValue::from_bytes(&modified).ok());
    headers.extend(formatted.map(|value| (LAST_MODIFIED, value)));
    error.set_headers(headers);
    error
}

/// The range is outside the object.
pub(super) fn invalid_range(size: u64) -> S3Error {
    let mut error = s3_error!(InvalidRange, "The requested range is not satisfiable");
    let mut headers = xml_headers();
    if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
        headers.insert(http::header::CONTENT_RANGE, value);
    }
    error.set_headers(headers);
    error
}

/// A time in whole seconds, as S3 reports it.
pub(super) fn timestamp(ms: u64) -> Timestamp {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(ms / 1000);
    Timestamp::from(time)
}

/// The default headers, which headers of an error would otherwise replace.
pub(super) fn xml_headers() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/xml"))])
}

fn marker_headers(marker: &Version) -> HeaderMap {
    let mut headers = xml_headers();
    headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
    if let Ok(id) = HeaderValue::from_str(marker.id()) {
        headers.insert("x-amz-version-id", id);
    }
    headers
}

fn incomplete_body() -> S3Error {
    s3_error!(
        IncompleteBody,
        "You did not provide the number of bytes specified by the Content-Length HTTP header"
    )
}

/// `s3s` checks the body as it streams; only the message says what is wrong.
fn body_error(message: &str) -> S3Error {
    if message.contains("Sha256Mismatch") {
        let code = S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into());
        let mut error = S3Error::with_message(
            code,
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        );
        error.set_status_code(StatusCode::BAD_REQUEST);
        error
    } else if message.contains("SignatureMismatch") {
        s3_error!(
            SignatureDoesNotMatch,
            "The request signature we calculated does not match the signature you provided."
        )
    } else {
        incomplete_body()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart() {
        for (kind, status) in [
            (io::ErrorKind::StorageFull, StatusCode::INSUFFICIENT_STORAGE),
            (
                io::ErrorKind::QuotaExceeded,
                StatusCode::INSUFFICIENT_STORAGE,
            ),
            (io::ErrorKind::Other, StatusCode::INTERNAL_SERVER_ERROR),
        ] {
            let error = S3Error::from(StoreError::Io(kind.into()));
            let status_code = error.status_code().or(error.code().status_code());
            assert_eq!(status_code, Some(status), "{kind}");
        }
    }
}
