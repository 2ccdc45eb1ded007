//! Work on files off the threads on which Ctrl-C is awaited.

use caas_aws::{Unavailable, off_worker};

use crate::failure::Failure;

/// Does `work` on another thread, so that Ctrl-C ends the command meanwhile.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let done = off_worker(usize::MAX, work).await;
    done.map_err(|Unavailable| Failure::interrupted(None))
}
