//! The protocol of dropped files: a file put in the inbox bucket is sealed into the vault, under
//! the same key. It is removed from the inbox once the sealed object has been checked.
//!
//! The protocol is level-triggered: an event, or a sweep over the inbox, only names a key. What a
//! run does depends only on what both buckets hold at that time (`plan`); the same is true of a
//! user's `DELETE` (`plan_delete`). After the next run for the key, the result is therefore the
//! same despite late, lost, duplicate or reordered events, concurrent runs, or a crash at any
//! point. `model` explores every order of these steps with the same two functions.

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

pub use delete::{Deleted, delete_file};
pub use failure::{Failure, Settled};
pub use inbox::{CONCURRENCY, Inbox, S3_TIMEOUT};
pub use metadata::{AFTER_DELETE, NO_DELETE, SINGLE_USE};
pub use named_key::NamedKey;
pub use report::Report;
pub use settings::{InboxSettings, SWEEP_PERIOD, SweepSettings};
