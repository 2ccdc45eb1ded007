//! The router's edge: requests in, responses out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod arbitrary;
mod documents;
mod events;
mod page;
mod problems;
mod routes;
mod support;
