//! The router's edge, on the embedded S3 and KMS: requests in, responses out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod audit;
mod deleting;
mod documents;
mod events;
mod failures;
mod idempotency;
mod integrity;
mod listing;
mod part_outages;
mod part_tokens;
mod parts;
mod presigned;
mod sent_parts;
mod support;
mod tenants;
mod uploading;
