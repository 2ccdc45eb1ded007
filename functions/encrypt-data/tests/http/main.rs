//! The router's edge, on S3 and KMS in this process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod audit;
mod contract;
mod documents;
mod events;
mod outages;
mod problems;
mod races;
mod records;
mod requests;
mod shredding;
mod support;
