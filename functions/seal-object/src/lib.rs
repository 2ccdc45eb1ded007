//! Seals what is dropped in the inbox bucket into the vault bucket, under the same key, and removes it
//! from the inbox once the sealed object has been checked.
//!
//! Level-triggered: an event, or a sweep over the inbox, only names a key. What is done about it
//! depends on what both buckets hold at that time (`plan.rs`), so that late, lost, doubled and
//! reordered events, concurrent runs, and a crash at any point all end the same way: after the next run
//! for the key.

mod config;
mod event;
mod handler;
mod plan;
mod service;
mod settle;
mod steps;
mod sweep;

#[cfg(test)]
mod model;

use std::sync::Arc;

pub use config::{Config, InvalidConfig};
pub use event::MalformedEvent;
pub use handler::{HandleError, Report, handle};
pub use service::{S3_TIMEOUT, Service};

/// What the handler works with.
pub type State = Arc<Service>;
