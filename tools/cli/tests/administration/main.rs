//! The program as a user and as an operator start it, next to a service.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod audit;
mod canary;
mod doctor;
mod keys;
mod messages;
mod service;
mod users;
mod values;
