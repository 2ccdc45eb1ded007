//! What the fuzz targets share.

pub mod emulator;
mod stub;

use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

pub use stub::StubS3;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
});

/// Runs a future to its end.
pub fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}
