//! The protocol of dropped files: a file put in the inbox bucket is sealed into the vault, under the same
//! key, and removed from the inbox once the sealed object has been checked.
//!
//! Level-triggered: an event, or a sweep over the inbox, only names a key. What happens then depends on
//! what both buckets hold at that time (`plan`), and so does a user's `DELETE` (`plan_delete`). Late,
//! lost, duplicate and reordered events, concurrent runs, and a crash at any point therefore all end the
//! same way, after the next run for the key. `model` explores every order of these steps with these same
//! two functions.

mod delete;
mod dropped;
mod failure;
mod inbox;
mod metadata;
mod named_key;
mod plan;
mod plan_delete;
mod report;
mod settings;
mod settle;
mod steps;
mod sweep;

#[cfg(test)]
mod model;

pub use delete::delete_file;
pub use failure::{Failure, Settled};
pub use inbox::{CONCURRENCY, Inbox, S3_TIMEOUT};
pub use metadata::SINGLE_USE;
pub use named_key::NamedKey;
pub use report::Report;
pub use settings::{InboxSettings, SWEEP_PERIOD};
