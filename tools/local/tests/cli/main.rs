//! The program as a user starts it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod audit;
mod inbox;
mod keygen;
mod page;
mod process;
mod proxies;
#[cfg(target_os = "linux")]
mod resident;
mod restart;
mod session_files;
mod start_and_stop;
