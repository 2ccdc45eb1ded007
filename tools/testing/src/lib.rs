//! What the tests of several crates share: S3 and KMS with clients, requests and responses, events,
//! the log, and a proxy that fails on request. Only for `[dev-dependencies]`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

pub mod clients;
mod events;
mod fault_proxy;
mod form;
mod log;
mod manual_clock;
mod requests;
mod response;
mod runtime;
mod stack;
#[cfg(target_os = "linux")]
mod subject;

use caas_clients::KeyHash;

pub use events::{check_events, events};
pub use fault_proxy::{Fault, FaultProxy, Gate, ProxiedRequest};
pub use form::{BOUNDARY, Part, form};
pub use log::{FullDisk, Log};
pub use manual_clock::ManualClock;
pub use requests::{post_form, post_json, request, with};
pub use response::{TestResponse, problem_documents, send};
pub use runtime::invocation_error;
pub use stack::{CLIENTS, FILE_KEY, INBOX, Proxies, Stack, USER_KEY, USER_KEYS, VAULT, settings};
#[cfg(target_os = "linux")]
pub use subject::Subject;

/// The API key of the client `acme`.
pub const API_KEY: &str = "caas_tests-only-tests-only-tests-only-tests-only3YnVQC";
/// The API key of the client `globex`.
pub const OTHER_API_KEY: &str = "caas_other-only-other-only-other-only-other-only3xyTzz";

/// `API_KEYS` of both clients.
pub fn api_keys() -> String {
    let (acme, globex) = (KeyHash::of(API_KEY), KeyHash::of(OTHER_API_KEY));
    format!("acme:{acme},globex:{globex}")
}

/// Bytes without a short period.
pub fn bytes(len: usize) -> Vec<u8> {
    seeded_bytes(0, len)
}

/// The same, with a different sequence for every seed.
pub fn seeded_bytes(seed: u64, len: usize) -> Vec<u8> {
    (0..len as u64)
        .map(|i| ((i + (seed << 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 37) as u8)
        .collect()
}
