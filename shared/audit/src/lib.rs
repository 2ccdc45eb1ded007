//! The audit trail: one line of JSON for each request, and one before each irreversible effect.
//!
//! A line names its subject, a file or a user, by the hash that KMS writes to CloudTrail, and an API
//! key by the beginning of its hash. It contains no name, datum, UUID or key. The lines of a process
//! are numbered without gaps, so a lost one is noticed:
//!
//! ```
//! use caas_audit::{Line, Trail};
//!
//! let trail = Trail::new(std::io::sink(), None);
//! let mut line = Line::new("0191b9c4", "DELETE /users/{uuid}".into());
//! line.client = Some("acme".to_owned());
//! trail.outcome(line, "ok")?;
//! # std::io::Result::Ok(())
//! ```

mod line;
mod trail;

pub use line::{Kind, Line, now};
pub use trail::{Trail, TrailUnavailable};
