//! Problem details for HTTP APIs (RFC 9457).

use std::{borrow::Cow, collections::BTreeMap};

use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::{self, ContentBuilder, Ref, RefOr, ResponseBuilder};
use uuid::Uuid;

use crate::ProblemKind;

/// The response instead of a result: what went wrong and what to do about it.
///
/// `detail` is written by us, for the caller; it never holds a value that the caller sent. As a
/// response it is complete only behind [`Edge`](crate::Edge), which adds the request id and writes
/// the body.
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

    /// A request that is none of the other kinds of wrong.
    pub fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemKind::InvalidRequest, detail)
    }

    /// 413 for a body over `limit` bytes.
    pub fn body_too_large(limit: u64) -> Self {
        Self::new(
            ProblemKind::TooLarge,
            format!("The body exceeds {limit} bytes. Upload larger files with POST /api/uploads."),
        )
    }

    /// The code of its kind.
    pub(crate) fn code(&self) -> &'static str {
        self.kind.definition().code
    }

    /// The document that is sent, with the request's id as its instance.
    pub(crate) fn details(&self, request_id: &str) -> ProblemDetails {
        let definition = self.kind.definition();
        ProblemDetails {
            kind: self.kind,
            title: definition.title.to_owned(),
            status: definition.status,
            detail: self.detail.to_string(),
            instance: request_id.to_owned(),
        }
    }
}

/// A problem of which the registry says everything. Log the cause of an internal one before.
impl From<ProblemKind> for Problem {
    fn from(kind: ProblemKind) -> Self {
        Self::new(kind, kind.definition().remedy)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind.status().into_response();
        if let Some((name, value)) = self.kind.header() {
            response.headers_mut().insert(name, value);
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl<'r> utoipa::ToResponse<'r> for Problem {
    fn response() -> (&'r str, RefOr<openapi::Response>) {
        let example = Self::from(ProblemKind::Unauthorized).details(&Uuid::nil().to_string());
        let document = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("ProblemDetails")))
            .example(serde_json::to_value(example).ok())
            .build();
        let problem = ResponseBuilder::new()
            .description("A problem")
            .content("application/problem+json", document);
        ("Problem", problem.build().into())
    }
}

impl utoipa::IntoResponses for Problem {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let problem = || Ref::from_response_name("Problem").into();
        ["4XX", "5XX"]
            .map(|statuses| (statuses.to_owned(), problem()))
            .into()
    }
}

/// The body of every error response, `application/problem+json` (RFC 9457).
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProblemDetails {
    /// A stable URI, `/problems/{code}`, which describes this kind of problem.
    #[serde(rename = "type")]
    pub kind: ProblemKind,
    /// The kind of problem in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time, and what to do.
    pub detail: String,
    /// The id of the request.
    pub instance: String,
}
