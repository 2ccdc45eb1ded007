//! The vault on the embedded S3 and KMS.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod checksums;
mod deletion;
mod faults;
mod listing;
mod round_trip;
mod support;
mod tampering;
