//! Passes S3 notifications and scheduled sweeps to the inbox (`caas_inbox`).

mod config;
mod event;
mod handler;

pub use config::Config;
pub use event::MalformedEvent;
pub use handler::{HandleError, handle};
