//! The function on the embedded S3 and KMS.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod audit;
mod crashes;
mod deletion;
mod events;
mod faults;
mod keys;
mod support;
mod sweep;
mod uploads;
