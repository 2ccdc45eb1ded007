//! The commands for files, as a user runs them, on a service with S3 and KMS in this process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod failures;
mod fetching;
#[cfg(unix)]
mod interruptions;
mod naming;
mod storing;
mod support;
