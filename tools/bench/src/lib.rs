//! Benchmarks of CaaS against its peers, each pair measured in one run: `cargo bench -p
//! caas-bench`, and the programs in `examples/`. This library is their shared code.

mod emulator_process;
mod memory;
mod plain;

use std::{
    process::{Command, Stdio},
    time::Duration,
};

pub use emulator_process::EmulatorProcess;
pub use memory::{memory, reset_peak};
pub use plain::{CONCURRENCY, Source, plain_put};

/// The error of a benchmark.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The median of these times in seconds.
pub fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

/// Runs a program without input.
///
/// # Errors
/// It does not start, or does not succeed.
pub fn run_to_end(command: &mut Command) -> Result<(), Error> {
    if command.stdin(Stdio::null()).status()?.success() {
        return Ok(());
    }
    Err(format!("{} failed", command.get_program().display()).into())
}
