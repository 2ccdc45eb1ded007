//! Uploads and downloads through the service on the embedded S3 and KMS.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod broken_connections;
mod child;
mod killed_uploads;
mod lying_storage;
mod resumed_downloads;
mod round_trips;
mod support;
mod uploads_in_parts;
mod wire;
