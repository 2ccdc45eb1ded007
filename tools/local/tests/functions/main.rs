//! All functions in this process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod costs;
mod scopes;
mod support;
