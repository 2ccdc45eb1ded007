//! Benchmarks of CaaS against its peers, each pair measured in one run: `cargo bench -p caas-bench`,
//! and the programs in `examples/`. This library is what those programs share.

mod emulator_process;
mod memory;
mod plain;

/// What a measuring program may fail with.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

pub use emulator_process::EmulatorProcess;
pub use memory::{memory, reset_peak};
pub use plain::{CONCURRENCY, Source, plain_put};
