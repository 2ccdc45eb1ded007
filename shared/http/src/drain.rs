//! Drains unread request bodies.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use tokio::{runtime::Handle, time::timeout};
use tokio_util::sync::DropGuard;

use crate::edge::BodyProgress;

/// What is drained at most.
const MAX_BYTES: u64 = 256 << 20;
const MAX_TIME: Duration = Duration::from_secs(10);

/// A request body that is read to its end even when the handler has lost interest.
///
/// A server that responds early and closes while the client still sends makes most clients report a
/// broken connection instead of the response. A client that waits for `100 Continue` has not begun:
/// to read would ask it to.
pub(crate) struct DrainedBody {
    body: Option<Body>,
    progress: BodyProgress,
    client_waits: bool,
    _done: DropGuard,
}

impl DrainedBody {
    /// The body, recording in `progress` what the handler reads, and that it drops the body.
    pub(crate) fn new(body: Body, progress: BodyProgress, client_waits: bool) -> Self {
        Self {
            body: Some(body),
            _done: progress.done.clone().drop_guard(),
            progress,
            client_waits,
        }
    }
}

impl http_body::Body for DrainedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = Pin::new(body).poll_frame(cx);
        self.client_waits = false;
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                self.progress.add(frame.data_ref().map_or(0, Bytes::len));
            }
            Poll::Ready(None | Some(Err(_))) => self.body = None,
            Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body
            .as_ref()
            .is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body
            .as_ref()
            .map(http_body::Body::size_hint)
            .unwrap_or_default()
    }
}

impl Drop for DrainedBody {
    fn drop(&mut self) {
        let rest = self
            .body
            .take()
            .filter(|body| !self.client_waits && !http_body::Body::is_end_stream(body));
        if let (Some(mut rest), Ok(runtime)) = (rest, Handle::try_current()) {
            runtime.spawn(timeout(MAX_TIME, async move {
                let mut read = 0;
                while let Some(Ok(frame)) = rest.frame().await {
                    read += frame.data_ref().map_or(0, |data| data.len() as u64);
                    if read > MAX_BYTES {
                        break;
                    }
                }
            }));
        }
    }
}
