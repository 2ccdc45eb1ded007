//! What S3's responses contain, as plain types.

use std::{borrow::Cow, error::Error, io, time::SystemTime};

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ConnectorError, SdkError},
    primitives::DateTime,
    types::EncodingType,
};
use percent_encoding::percent_decode_str;

/// The HTTP status of storage without room. AWS's has none; MinIO and the emulator do.
pub const STORAGE_FULL: u16 = 507;

/// S3 is down, throttles, times out or denies access. Retrying later may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("S3 is not available")]
pub struct Unavailable;

impl Unavailable {
    /// Logs which operation failed and how, without anything that was sent or received.
    pub fn new<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self {
        let cause = match error {
            SdkError::ServiceError(_) if status(error) == Some(STORAGE_FULL) => "storage full",
            SdkError::ServiceError(_) => "refused",
            error => no_response(error),
        };
        let status = status(error);
        tracing::warn!(operation, cause, status, "S3 request failed");
        Self
    }
}

/// Why a service did not respond, in our own words: errors of libraries may contain what was sent.
pub(crate) fn no_response<E>(error: &SdkError<E, HttpResponse>) -> &'static str {
    let failure = match error {
        SdkError::TimeoutError(_) => return "timed out",
        SdkError::ResponseError(_) => return "broken response",
        SdkError::DispatchFailure(failure) => failure.as_connector_error(),
        _ => return "not sent",
    };
    if failure.is_some_and(ConnectorError::is_timeout) {
        return "timed out";
    }
    let mut cause = failure.and_then(Error::source);
    while let Some(error) = cause {
        let refused = error.downcast_ref::<io::Error>();
        if refused.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            return "connection refused";
        }
        // These two are hyper's; it does not export their types.
        let text = error.to_string();
        if text.starts_with("dns error") {
            return "name not resolved";
        }
        if text.starts_with("tunnel error") || text.starts_with("proxy") {
            return "proxy refused";
        }
        cause = error.source();
    }
    "no connection"
}

/// The HTTP status of S3's response, if there was one.
pub fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    Some(error.raw_response()?.status().as_u16())
}

/// A length in bytes; 0 if S3 does not give one.
pub fn length(content_length: Option<i64>) -> u64 {
    u64::try_from(content_length.unwrap_or_default()).unwrap_or_default()
}

/// A time; the start of 1970 if S3 does not give one.
pub fn time(last_modified: Option<DateTime>) -> SystemTime {
    let time = last_modified.and_then(|time| time.try_into().ok());
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// A key from a listing requested with `encoding-type=url`, because XML cannot represent every
/// character of a key. `encoding` is the one that the response declares.
pub fn decode_key(key: &str, encoding: Option<&EncodingType>) -> String {
    if encoding != Some(&EncodingType::Url) {
        return key.to_owned();
    }
    let spaces = match key.contains('+') {
        true => Cow::Owned(key.replace('+', " ")),
        false => Cow::Borrowed(key),
    };
    percent_decode_str(&spaces).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use crate::ClientsConfig;

    use super::*;

    #[tokio::test]
    async fn the_cause_of_no_response_is_named() {
        let closed = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        // No label of a name has more than 63 characters.
        let unknown = "a".repeat(64);
        for (host, cause) in [
            (closed.to_string(), "connection refused"),
            (unknown, "name not resolved"),
        ] {
            let config = ClientsConfig {
                s3_endpoint: Some(format!("http://{host}")),
                region: Some("us-east-1".to_owned()),
                credentials: Some(("id".to_owned(), "secret".to_owned())),
                ..ClientsConfig::default()
            };
            let s3 = config.connect().await.s3;
            let error = s3.list_buckets().send().await.unwrap_err();
            assert_eq!(no_response(&error), cause, "{error:?}");
        }
    }

    #[test]
    fn keys_are_decoded_if_the_response_says_so() {
        let url = Some(&EncodingType::Url);
        assert_eq!(decode_key("a/b+c%2Bd%20e%25%C3%A4", url), "a/b c+d e%ä");
        assert_eq!(decode_key("a/b+c%2Bd", None), "a/b+c%2Bd");
    }
}
