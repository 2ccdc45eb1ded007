//! Uploads and downloads through the service on the embedded S3 and KMS.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod broken_connections;
mod lying_storage;
mod round_trips;
mod support;
