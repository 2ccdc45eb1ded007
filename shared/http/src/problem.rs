//! Problem details for HTTP APIs (RFC 9457).

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::edge;

/// Everything that this service answers instead of a result. The code is part of the wire contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// No, unknown or malformed API key.
    Unauthorized,
    /// Not JSON.
    MalformedJson,
    /// A request that is none of the other kinds of wrong.
    InvalidRequest,
    /// Not a hyphenated UUID.
    InvalidUuid,
    /// A body that claims to be base64 and is not.
    MalformedBody,
    /// Broken, unterminated or nameless multipart.
    MalformedMultipart,
    /// No file or several.
    FileCount,
    /// A file name with a control character.
    InvalidFilename,
    /// Absent, or another client's.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// Body, part count, header size or nesting over the limit.
    TooLarge,
    /// Sent to a host name that this process does not serve.
    MisdirectedRequest,
    /// Content type or content encoding.
    UnsupportedMediaType,
    /// Something that does not open, whatever the cause.
    IntegrityFailure,
    /// A digest, which has no way back.
    NotReversible,
    /// Too many requests.
    RateLimited,
    /// KMS or S3 throttled, down or timed out.
    DependencyUnavailable,
    /// A fault of ours.
    Internal,
}

impl ProblemKind {
    /// What `type` says in the document: a stable URI path, `/problems/<code>`.
    pub fn uri(self) -> String {
        let (code, ..) = self.definition();
        format!("/problems/{code}")
    }

    /// The stable code, status and title.
    fn definition(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::Unauthorized => (
                "unauthorized",
                S::UNAUTHORIZED,
                "API key missing or unknown",
            ),
            Self::MalformedJson => ("malformed-json", S::BAD_REQUEST, "Not JSON"),
            Self::InvalidRequest => ("invalid-request", S::BAD_REQUEST, "Request not understood"),
            Self::InvalidUuid => ("invalid-uuid", S::BAD_REQUEST, "Not a UUID"),
            Self::MalformedMultipart => (
                "malformed-multipart",
                S::BAD_REQUEST,
                "Broken multipart form",
            ),
            Self::MalformedBody => ("malformed-body", S::BAD_REQUEST, "Body not readable"),
            Self::FileCount => ("file-count", S::BAD_REQUEST, "Not exactly one file"),
            Self::InvalidFilename => ("invalid-filename", S::BAD_REQUEST, "File name not allowed"),
            Self::NotFound => ("not-found", S::NOT_FOUND, "Not found"),
            Self::MethodNotAllowed => (
                "method-not-allowed",
                S::METHOD_NOT_ALLOWED,
                "Method not allowed",
            ),
            Self::TooLarge => ("too-large", S::PAYLOAD_TOO_LARGE, "Too large"),
            Self::MisdirectedRequest => (
                "misdirected-request",
                S::MISDIRECTED_REQUEST,
                "Host not served here",
            ),
            Self::UnsupportedMediaType => (
                "unsupported-media-type",
                S::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported media type",
            ),
            Self::IntegrityFailure => (
                "integrity-failure",
                S::UNPROCESSABLE_ENTITY,
                "Does not open",
            ),
            Self::NotReversible => ("not-reversible", S::UNPROCESSABLE_ENTITY, "Not reversible"),
            Self::RateLimited => ("rate-limited", S::TOO_MANY_REQUESTS, "Too many requests"),
            Self::DependencyUnavailable => (
                "dependency-unavailable",
                S::SERVICE_UNAVAILABLE,
                "Key management or storage unavailable",
            ),
            Self::Internal => (
                "internal",
                S::INTERNAL_SERVER_ERROR,
                "Internal server error",
            ),
        }
    }

    /// The header that the status asks for.
    fn header(self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Unauthorized => {
                Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
            }
            Self::RateLimited | Self::DependencyUnavailable => {
                Some((header::RETRY_AFTER, HeaderValue::from_static("2")))
            }
            _ => None,
        }
    }
}

/// An answer that is not a result: what went wrong and what to do about it.
///
/// `detail` is written by us, for the caller; it never holds what the caller sent. As a response it
/// is complete only behind [`Edge`](crate::Edge), which adds the request id and writes the body.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: ProblemKind,
    detail: Cow<'static, str>,
}

impl Problem {
    /// A problem with an explanation for the caller.
    pub fn new(kind: ProblemKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    /// 401, the same for every cause.
    pub fn unauthorized() -> Self {
        Self::new(
            ProblemKind::Unauthorized,
            "Send your API key as 'x-api-key: KEY' or 'Authorization: Bearer KEY'; /encrypt, /verify and \
             /decrypt also take it as 'apiKey' in the body.",
        )
    }

    /// 500 without detail. Log the cause before.
    pub fn internal() -> Self {
        Self::new(
            ProblemKind::Internal,
            "Something went wrong on our side. Try again; if it persists, report the instance.",
        )
    }

    /// 413 for a body over `limit` bytes.
    pub fn body_too_large(limit: u64) -> Self {
        Self::new(
            ProblemKind::TooLarge,
            format!("The body exceeds {limit} bytes. For larger files use POST /api/uploads."),
        )
    }

    /// The complete answer, for a request that never reaches an [`Edge`](crate::Edge).
    pub fn into_complete_response(self) -> Response {
        edge::finish(self.into_response(), &edge::new_request_id())
    }

    /// The document that is sent, with the request's id as its instance.
    pub(crate) fn details(&self, request_id: &str) -> ProblemDetails {
        let (_, status, title) = self.kind.definition();
        ProblemDetails {
            kind: self.kind.uri(),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.detail.to_string(),
            instance: request_id.to_owned(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (_, status, _) = self.kind.definition();
        let mut response = status.into_response();
        if let Some((name, value)) = self.kind.header() {
            response.headers_mut().insert(name, value);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The body of every error response, `application/problem+json` (RFC 9457).
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProblemDetails {
    /// A stable URI path, `/problems/<code>`.
    #[serde(rename = "type")]
    #[schema(example = "/problems/unauthorized")]
    pub kind: String,
    /// The kind of problem in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time, and what to do.
    pub detail: String,
    /// The id of the request.
    pub instance: String,
}
