//! KMS and S3 as CaaS uses them.

mod kms;
mod user_key_cache;
mod user_keys;
mod user_record;
mod user_record_store;

pub use kms::{KmsError, KmsKey, PlaintextKey};
pub use user_key_cache::{Clock, Moment};
pub use user_keys::{HeldKeys, KeyVersionInfo, UserKeyError, UserKeyOptions, UserKeys};
pub use user_record::UserId;
