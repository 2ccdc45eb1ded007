//! How a CaaS process starts: it reads its settings from environment variables and starts the log.

mod log;
mod refusal;
mod settings;

pub use log::init as init_log;
pub use refusal::refuse_invocations;
pub use settings::{InvalidSetting, Settings};
