//! Benchmarks of CaaS against its peers, each pair measured in one run: `cargo bench -p
//! caas-bench`, and the programs in `examples/`. This library is their shared code.

mod emulator_process;
mod memory;
mod plain;

/// The error of a benchmark.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

pub use emulator_process::EmulatorProcess;
pub use memory::{memory, reset_peak};
pub use plain::{CONCURRENCY, Source, plain_put};
