//! The router's edge, on the embedded S3 and KMS: requests in, responses out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod deleting;
mod documents;
mod events;
mod failures;
mod idempotency;
mod integrity;
mod listing;
mod presigned;
mod support;
mod tenants;
mod uploading;
