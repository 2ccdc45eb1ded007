//! The HTTP edge of CaaS: problem details, request ids, limits, multipart forms, JSON,
//! file names, and the headers and the log line that every request gets.
//!
//! A function builds an [`axum::Router`] of its routes, puts [`Edge`] around it, and returns
//! [`Problem`] for everything that goes wrong:
//!
//! ```
//! use axum::{Router, routing::get};
//! use caas_http::{Edge, Problem, ProblemKind};
//!
//! async fn nothing() -> Problem {
//!     Problem::new(ProblemKind::NotFound, "There is nothing here.")
//! }
//!
//! let router: Router = Edge::default().around(Router::new().route("/", get(nothing)));
//! ```

mod audit;
mod config;
mod disposition;
mod drain;
mod edge;
mod file_name;
mod form;
mod json;
mod json_value;
mod multipart;
mod one_or_many;
mod origins;
mod problem;
mod problem_kind;
mod single_header;

pub use audit::{Audit, Receipt};
pub use config::HttpConfig;
pub use edge::{API_KEY_HEADER, Edge};
pub use file_name::{FileName, InvalidFileName};
pub use form::{FileForm, FormFile, read_file_form};
pub use json::{Json, JsonObject, MAX_JSON_BYTES};
pub use one_or_many::OneOrMany;
pub use origins::{AllowedOrigins, InvalidOrigin};
pub use problem::{Problem, ProblemDetails};
pub use problem_kind::{ProblemDefinition, ProblemKind};
pub use single_header::single_header;
