//! Long work off the threads on which the program's other tasks run.

use std::panic::resume_unwind;

use caas_aws::Unavailable;
use tokio::task::{JoinError, spawn_blocking};

/// Work on more bytes than this does not hold up other tasks.
const SHORT: usize = 256 << 10;

/// Does `work` on `len` bytes: on a thread of its own if they are many. A caller that goes away does
/// not stop it; its result is then dropped.
///
/// # Errors
/// Those of `work`; [`Unavailable`] if the process is stopping.
pub(crate) async fn off_worker<T, E>(
    len: usize,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Unavailable> + Send + 'static,
{
    if len <= SHORT {
        return work();
    }
    match spawn_blocking(work)
        .await
        .map_err(JoinError::try_into_panic)
    {
        Ok(done) => done,
        Err(Ok(panic)) => resume_unwind(panic),
        Err(Err(_)) => Err(Unavailable.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;
    use crate::PutError;

    #[tokio::test]
    async fn others_go_on_during_long_work() {
        let (others, work) = mpsc::channel();
        let long = off_worker(SHORT + 1, move || {
            let received = work.recv_timeout(Duration::from_secs(60));
            received.map_err(|_| PutError::Unavailable)
        });
        let (received, ()) = tokio::join!(long, async { others.send(()).unwrap() });
        received.unwrap();
    }

    #[tokio::test]
    #[should_panic(expected = "a fault")]
    async fn a_panic_is_passed_on() {
        let fault = || -> Result<(), PutError> { panic!("a fault") };
        let _ = off_worker(SHORT + 1, fault).await;
    }
}
