//! Conditional requests.

use http::{
    HeaderMap, HeaderName, Response,
    header::{IF_MATCH, IF_NONE_MATCH},
};
use s3s::{
    S3Error, S3ErrorCode, S3Result,
    dto::{ETagCondition, Timestamp},
    s3_error,
};
use time::OffsetDateTime;

use super::errors;
use crate::store::{precondition::Precondition, record::ObjectRecord};

/// The precondition of a write: `If-None-Match: *` or `If-Match: <etag>`.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>
pub(super) fn of_write(headers: &HeaderMap) -> S3Result<Precondition> {
    match (header(headers, IF_MATCH)?, header(headers, IF_NONE_MATCH)?) {
        (None, None) => Ok(Precondition::None),
        (None, Some(ETagCondition::Any)) => Ok(Precondition::Absent),
        (Some(ETagCondition::ETag(etag)), None) => Ok(Precondition::Matches(etag.into_value())),
        _ => Err(errors::not_implemented()),
    }
}

/// The conditions of requests, in the order in which S3 reports them.
const NAMES: [&str; 7] = [
    "If-Match",
    "If-Unmodified-Since",
    "If-None-Match",
    "x-amz-copy-source-If-Match",
    "x-amz-copy-source-If-Unmodified-Since",
    "x-amz-copy-source-If-None-Match",
    "x-amz-copy-source-If-Modified-Since",
];

/// The condition that fails, if one does.
pub(super) fn name(headers: &HeaderMap) -> Option<&'static str> {
    NAMES.into_iter().find(|name| headers.contains_key(*name))
}

/// Adds the name of the condition to the response that it failed. `s3s` has no place for it.
pub(super) fn name_in(response: &mut Response<s3s::Body>, name: &str) {
    let body = response.body().bytes().unwrap_or_default();
    let Ok(xml) = std::str::from_utf8(&body) else {
        return;
    };
    let failed = ["PreconditionFailed", "ConditionalRequestConflict"];
    if !failed
        .iter()
        .any(|code| xml.contains(&format!("<Code>{code}</Code>")))
    {
        return;
    }
    let condition = format!("</Message><Condition>{name}</Condition>");
    *response.body_mut() = s3s::Body::from(xml.replacen("</Message>", &condition, 1));
}

/// The precondition of a delete: `If-Match: <etag>` or `If-Match: *`.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html>
pub(super) fn of_delete(condition: Option<ETagCondition>) -> Precondition {
    match condition {
        None => Precondition::None,
        Some(ETagCondition::Any) => Precondition::Present,
        Some(ETagCondition::ETag(etag)) => Precondition::Matches(etag.into_value()),
    }
}

/// The conditions of a read.
#[derive(Default)]
pub(super) struct ReadConditions {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
    pub(super) if_modified_since: Option<Timestamp>,
    pub(super) if_unmodified_since: Option<Timestamp>,
}

impl ReadConditions {
    /// Evaluates them in the order of RFC 9110, section 13.2.2.
    pub(super) fn check(&self, object: &ObjectRecord, created_ms: u64) -> S3Result<()> {
        let modified = OffsetDateTime::from(errors::timestamp(created_ms));
        let later_than = |time: &Timestamp| modified > OffsetDateTime::from(time.clone());
        let holds = match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) => matches(condition, object),
            (None, Some(time)) => !later_than(time),
            (None, None) => true,
        };
        if !holds {
            return Err(errors::precondition_failed());
        }
        let changed = match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) => !matches(condition, object),
            (None, Some(time)) => later_than(time),
            (None, None) => true,
        };
        if changed {
            Ok(())
        } else {
            Err(not_modified(object))
        }
    }
}

fn matches(condition: &ETagCondition, object: &ObjectRecord) -> bool {
    condition
        .as_etag()
        .is_none_or(|etag| etag.value() == object.etag)
}

fn not_modified(object: &ObjectRecord) -> S3Error {
    let mut error = S3Error::new(S3ErrorCode::NotModified);
    let mut headers = HeaderMap::new();
    if let Ok(etag) = format!("\"{}\"", object.etag).parse() {
        headers.insert(http::header::ETAG, etag);
    }
    error.set_headers(headers);
    error
}

fn header(headers: &HeaderMap, name: HeaderName) -> S3Result<Option<ETagCondition>> {
    let parse = |value: &http::HeaderValue| ETagCondition::parse_http_header(value.as_bytes());
    let condition = headers.get(name).map(parse).transpose();
    condition.map_err(|_| s3_error!(InvalidArgument, "Invalid entity tag in a condition"))
}
