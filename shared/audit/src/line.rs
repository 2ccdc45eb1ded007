//! One line of the trail.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

/// RFC 3339 with milliseconds, in UTC.
const FORMAT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// What a line says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An irreversible effect is about to happen.
    Intent,
    /// The request ended.
    #[default]
    Outcome,
}

/// One line of the trail. Fields that do not apply are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Line {
    /// What the line says; the tag of every line of the trail.
    pub audit: Kind,
    /// When it was written, in RFC 3339 with milliseconds; of an erasure, as in its receipt.
    pub time: String,
    /// The process that wrote it: 16 random hex digits.
    pub process: String,
    /// Its number among the lines of this process, from 1.
    pub seq: u64,
    /// The request's ID, which the response has as `x-request-id`; of a dropped file, that of the run.
    pub request_id: String,
    /// The client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The first 16 hex digits of the SHA-256 of the API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Method and route, or what happened to a dropped file.
    pub operation: Cow<'static, str>,
    /// `ok`, the code of a problem, `refused`, or `cancelled`; none in an intent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Cow<'static, str>>,
    /// The file's or the user's hash, as in KMS encryption contexts: `caas:object`, `caas:subject`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// How many values the request has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<u64>,
    /// How many versions an erasure removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<u64>,
}

impl Line {
    /// A line about this request.
    pub fn new(request_id: impl Into<String>, operation: Cow<'static, str>) -> Self {
        Self {
            request_id: request_id.into(),
            operation,
            ..Self::default()
        }
    }
}

/// The current time, as lines have it.
pub fn now() -> String {
    OffsetDateTime::now_utc().format(FORMAT).unwrap_or_default()
}
