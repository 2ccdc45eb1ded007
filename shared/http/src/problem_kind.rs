//! The registry of problems: every kind with its code, its status, its title and what to do.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::{Serialize, Serializer};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

macro_rules! registry {
    ($($kind:ident = $code:literal, $status:ident, $title:literal, $remedy:literal;)+) => {
        /// A kind of problem. Its code is part of the wire contract.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ProblemKind {
            $(#[doc = $title] $kind,)+
        }

        impl ProblemKind {
            /// Every kind, by status.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            pub(crate) fn status(self) -> StatusCode {
                match self {
                    $(Self::$kind => StatusCode::$status,)+
                }
            }

            /// The registry's entry for this kind.
            pub fn definition(self) -> ProblemDefinition {
                let (code, title, remedy) = match self {
                    $(Self::$kind => ($code, $title, $remedy),)+
                };
                let status = self.status().as_u16();
                ProblemDefinition { code, status, title, remedy }
            }
        }
    };
}

registry! {
    InvalidRequest = "invalid-request", BAD_REQUEST, "Request not understood",
        "Correct what `detail` names and send the request again.";
    InvalidUuid = "invalid-uuid", BAD_REQUEST, "Not a UUID",
        "Send the user as 32 hexadecimal digits in groups of 8-4-4-4-12, with hyphens.";
    MalformedJson = "malformed-json", BAD_REQUEST, "Not JSON",
        "Send a complete JSON document in UTF-8; `detail` says where it breaks.";
    MalformedMultipart = "malformed-multipart", BAD_REQUEST, "Broken multipart form",
        "Let your HTTP library write the form and its content type.";
    FileCount = "file-count", BAD_REQUEST, "Not exactly one file",
        "Send exactly one file, in a part named `file`.";
    InvalidFilename = "invalid-filename", BAD_REQUEST, "File name not allowed",
        "Remove control characters such as NUL, CR and LF from the file name.";
    Unauthorized = "unauthorized", UNAUTHORIZED, "API key missing or unknown",
        "Send your API key as `x-api-key: KEY` or `Authorization: Bearer KEY`; `/encrypt`, \
         `/verify` and `/decrypt` also take it as `apiKey` in the body.";
    MissingScope = "missing-scope", FORBIDDEN, "Scope missing",
        "Use an API key that has the scope which `detail` names, or ask the operator for one.";
    NotFound = "not-found", NOT_FOUND, "Not found",
        "Check the path and the id. What belongs to another client is reported as absent.";
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "Method not allowed",
        "Use one of the methods in the `Allow` header.";
    RequestTimeout = "request-timeout", REQUEST_TIMEOUT, "Request body too slow",
        "Send the whole body within two minutes, without long pauses.";
    UploadConflict = "upload-conflict", CONFLICT, "Upload not as described",
        "Do what `detail` says: send missing parts and complete the upload again, or begin a new \
         upload if a part was replaced.";
    TooLarge = "too-large", PAYLOAD_TOO_LARGE, "Too large",
        "Send less in one request; upload large files with `POST /api/uploads`.";
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE,
        "Unsupported media type",
        "Send the content type that `detail` names, without a content encoding.";
    MisdirectedRequest = "misdirected-request", MISDIRECTED_REQUEST, "Host not served here",
        "Send the request to a host name that this service serves.";
    IntegrityFailure = "integrity-failure", UNPROCESSABLE_ENTITY, "Does not open",
        "Check that the data is unchanged and that it belongs to this key or user.";
    NotReversible = "not-reversible", UNPROCESSABLE_ENTITY, "Not reversible",
        "Compare a digest with `/verify`, or encrypt with `\"cipher\": \"aes-256-gcm\"` to get a \
         value that `/decrypt` takes.";
    RateLimited = "rate-limited", TOO_MANY_REQUESTS, "Too many requests",
        "Wait as long as `Retry-After` says, then send fewer requests a second.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal server error",
        "Try again; if the problem persists, report the `instance`.";
    StorageFull = "storage-full", INSUFFICIENT_STORAGE, "Storage full",
        "Ask the operator for room; until then no file can be stored. Reading and deleting work.";
    DependencyUnavailable = "dependency-unavailable", SERVICE_UNAVAILABLE,
        "Key management or storage unavailable",
        "Wait as long as `Retry-After` says, then try again.";
}

/// A kind of problem, as `GET /problems/{code}` describes it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemDefinition {
    /// The code, the last segment of the problem's `type`.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The kind of problem in a few words.
    pub title: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

impl ProblemKind {
    /// The kind with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        let mut kinds = Self::ALL.iter().copied();
        kinds.find(|kind| kind.definition().code == code)
    }

    /// The `type` of the problem document: `/problems/{code}`.
    pub fn uri(self) -> String {
        format!("/problems/{}", self.definition().code)
    }

    /// The header that the status asks for.
    pub(crate) fn header(self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Unauthorized => {
                Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
            }
            Self::RequestTimeout => Some((header::CONNECTION, HeaderValue::from_static("close"))),
            Self::DependencyUnavailable => {
                Some((header::RETRY_AFTER, HeaderValue::from_static("2")))
            }
            _ => None,
        }
    }
}

impl Serialize for ProblemKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.uri())
    }
}

impl PartialSchema for ProblemKind {
    fn schema() -> RefOr<Schema> {
        let uris = Self::ALL.iter().map(|kind| kind.uri());
        let uri = ObjectBuilder::new().schema_type(Type::String);
        uri.enum_values(Some(uris)).into()
    }
}

impl ToSchema for ProblemKind {
    fn name() -> Cow<'static, str> {
        "ProblemType".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_lead_back_to_their_kind() {
        for kind in ProblemKind::ALL {
            assert_eq!(ProblemKind::from_code(kind.definition().code), Some(*kind));
        }
        assert_eq!(ProblemKind::from_code("malformed-body"), None);
    }
}
