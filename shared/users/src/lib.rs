//! Users' keys: one random key per user and version, wrapped by KMS in the user's record.
//!
//! [`UserKeys`] makes, finds, rotates and shreds them; [`HeldKeys`] is what one request sees.

mod error;
mod found_record;
mod held_keys;
mod opened_records;
mod record_store;
mod settings;
mod user_keys;

pub use error::UserKeyError;
pub use held_keys::HeldKeys;
pub use settings::UserSettings;
pub use user_keys::{KeyVersionInfo, UserKeyOptions, UserKeys};
