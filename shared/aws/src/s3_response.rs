//! What S3's responses contain, as plain types.

use std::{borrow::Cow, time::SystemTime};

use aws_sdk_s3::{
    config::http::HttpResponse, error::SdkError, primitives::DateTime, types::EncodingType,
};
use percent_encoding::percent_decode_str;

/// S3 is down, throttles, times out or denies access. Retrying later may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("S3 is not available")]
pub struct Unavailable;

impl Unavailable {
    /// Logs which operation failed and how, without anything that was sent or received.
    pub fn new<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self {
        let cause = match error {
            SdkError::TimeoutError(_) => "timed out",
            SdkError::DispatchFailure(_) => "no connection",
            SdkError::ResponseError(_) => "broken response",
            SdkError::ServiceError(_) => "refused",
            _ => "not sent",
        };
        let status = status(error);
        tracing::warn!(operation, cause, status, "S3 request failed");
        Self
    }
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
    use super::*;

    #[test]
    fn keys_are_decoded_if_the_response_says_so() {
        let url = Some(&EncodingType::Url);
        assert_eq!(decode_key("a/b+c%2Bd%20e%25%C3%A4", url), "a/b c+d e%ä");
        assert_eq!(decode_key("a/b+c%2Bd", None), "a/b+c%2Bd");
    }
}
