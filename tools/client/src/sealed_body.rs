//! The body of an upload: a thread reads and seals the file while it is sent.

use std::{
    error::Error,
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use caas_crypto::stored::{Grant, OVERHEAD};
use http_body::{Body, Frame, SizeHint};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use crate::{UploadError, source::Source};

/// The length of a chunk in bytes.
const CHUNK: usize = 256 << 10;

/// Chunks queued for sending.
const WAITING: usize = 8;

/// A body of known length whose chunks come from a thread.
pub(crate) struct SealedBody {
    chunks: mpsc::Receiver<Bytes>,
    left: u64,
    sent: watch::Sender<u64>,
}

impl SealedBody {
    /// The first `len` bytes of `source`, sealed if there is a grant. It must end there.
    ///
    /// Also returns the count of bytes sent, and the thread's result.
    pub(crate) fn new(
        source: Source,
        len: u64,
        grant: Option<Grant>,
    ) -> (
        Self,
        watch::Receiver<u64>,
        JoinHandle<Result<(), UploadError>>,
    ) {
        let overhead = if grant.is_some() { OVERHEAD as u64 } else { 0 };
        let (sender, chunks) = mpsc::channel(WAITING);
        let (sent, count) = watch::channel(0);
        let body = Self {
            chunks,
            left: len + overhead,
            sent,
        };
        let thread = tokio::task::spawn_blocking(move || produce(source, len, grant, &sender));
        (body, count, thread)
    }
}

/// Ends early, without an error, if the receiver is gone.
fn produce(
    mut source: Source,
    len: u64,
    grant: Option<Grant>,
    chunks: &mpsc::Sender<Bytes>,
) -> Result<(), UploadError> {
    let mut sealer = grant.map(Grant::into_sealer);
    let mut left = len;
    while left > 0 {
        let wanted = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        let mut chunk = Vec::with_capacity(wanted + OVERHEAD);
        let read = source.reader().take(wanted as u64).read_to_end(&mut chunk);
        if read.map_err(UploadError::Source)? < wanted {
            return Err(UploadError::Changed);
        }
        left -= wanted as u64;
        if let Some(sealer) = &mut sealer {
            let sealed = sealer.update(&mut chunk);
            sealed.map_err(|_| UploadError::Source(io::ErrorKind::FileTooLarge.into()))?;
        }
        if left == 0 {
            at_end(source.reader())?;
        }
        if chunks.blocking_send(chunk.into()).is_err() {
            return Ok(());
        }
    }
    if len == 0 {
        at_end(source.reader())?;
    }
    if let Some(sealer) = sealer {
        let _ = chunks.blocking_send(Bytes::copy_from_slice(&sealer.finish()));
    }
    Ok(())
}

fn at_end(source: &mut dyn Read) -> Result<(), UploadError> {
    match source.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(UploadError::Changed),
        Err(error) => Err(UploadError::Source(error)),
    }
}

impl Body for SealedBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let chunk = ready!(self.chunks.poll_recv(cx));
        let Some(chunk) = chunk else {
            // Break the connection: S3 stores nothing shorter than announced.
            return Poll::Ready(Some(Err("the file could not be read".into())));
        };
        let len = chunk.len() as u64;
        self.left = self.left.saturating_sub(len);
        self.sent.send_modify(|sent| *sent += len);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use caas_crypto::{ContentKey, stored};
    use http_body_util::BodyExt;

    use super::*;

    fn grant() -> Grant {
        Grant::received(ContentKey::from([3; 32]), &stored::IV, &stored::AAD).unwrap()
    }

    async fn file(content: &[u8]) -> Source {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        Source::open(file.path()).await.unwrap()
    }

    #[tokio::test]
    async fn a_body_is_the_file_and_as_long_as_announced() {
        for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 10 * CHUNK] {
            let content: Vec<u8> = (0..len).map(|i| (i * 7 / 5) as u8).collect();
            let (body, sent, thread) = SealedBody::new(file(&content).await, len as u64, None);
            assert_eq!(body.size_hint().exact(), Some(len as u64));
            let plain = body.collect().await.unwrap().to_bytes();
            assert_eq!((&plain[..], *sent.borrow()), (&content[..], len as u64));
            thread.await.unwrap().unwrap();

            let (body, _, thread) =
                SealedBody::new(file(&content).await, len as u64, Some(grant()));
            assert_eq!(body.size_hint().exact(), Some(len as u64 + 16));
            let sealed = body.collect().await.unwrap().to_bytes();
            thread.await.unwrap().unwrap();
            let (mut opener, mut opened) = (grant().opener(), Vec::new());
            opener.update(&sealed, &mut opened).unwrap();
            opener.finish().unwrap();
            assert_eq!(opened, content, "{len}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_not_as_long_as_announced_makes_no_body() {
        for (len, announced) in [(0, 1), (1, 0), (10, 9), (10, 11), (CHUNK + 1, CHUNK)] {
            for grant in [None, Some(grant())] {
                let file = file(&vec![7; len]).await;
                let (body, _, thread) = SealedBody::new(file, announced as u64, grant);
                let case = format!("{len} as {announced}");
                let sealed = body.size_hint().exact() > Some(announced as u64);
                // An empty body without a tag is sent before the length is checked.
                let cut = body.collect().await.is_err();
                assert!(cut || (announced == 0 && !sealed), "{case}");
                let outcome = thread.await.unwrap();
                assert!(matches!(outcome, Err(UploadError::Changed)), "{case}");
            }
        }
    }
}
