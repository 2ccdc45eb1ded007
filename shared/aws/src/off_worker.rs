//! Long work off the threads on which the program's other tasks run.

use std::panic::resume_unwind;

use tokio::task::{JoinError, spawn_blocking};

use crate::Unavailable;

/// Work on more bytes than this does not hold up other tasks.
const SHORT: usize = 256 << 10;

/// Does `work` on `len` bytes: on a thread of its own if they are many. A caller that goes away does
/// not stop it; its result is then dropped.
///
/// # Errors
/// The process is stopping.
pub async fn off_worker<T: Send + 'static>(
    len: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Unavailable> {
    if len <= SHORT {
        return Ok(work());
    }
    let done = spawn_blocking(work).await;
    match done.map_err(JoinError::try_into_panic) {
        Ok(done) => Ok(done),
        Err(Ok(panic)) => resume_unwind(panic),
        Err(Err(_)) => Err(Unavailable),
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    #[tokio::test]
    async fn others_go_on_during_long_work() {
        let (others, work) = mpsc::channel();
        let long = off_worker(SHORT + 1, move || {
            work.recv_timeout(Duration::from_secs(60))
        });
        let (received, ()) = tokio::join!(long, async { others.send(()).unwrap() });
        assert_eq!(received, Ok(Ok(())));
    }

    #[tokio::test]
    #[should_panic(expected = "a fault")]
    async fn a_panic_is_passed_on() {
        let _ = off_worker(SHORT + 1, || panic!("a fault")).await;
    }
}
