//! Request bodies are read to the end, even if the request is refused.
//!
//! A client that is still sending when the connection closes sees a broken pipe instead of the response,
//! and takes a `NoSuchUpload` for a network failure.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// The longest unread body to drain; beyond it the connection is closed.
const MAX_UNWANTED_BYTES: u64 = 256 * 1024 * 1024;

/// A body that the service reads; [`Rest`] drains what the service leaves.
pub(super) struct RequestBody(Arc<Mutex<Incoming>>);

/// The unread rest of a body.
pub(super) struct Rest(Arc<Mutex<Incoming>>);

impl RequestBody {
    pub(super) fn new(body: Incoming) -> (Self, Rest) {
        let shared = Arc::new(Mutex::new(body));
        (Self(Arc::clone(&shared)), Rest(shared))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .size_hint()
    }
}

impl Rest {
    /// Drains the body. Does nothing while the service still holds it.
    pub(super) async fn discard(self) {
        let Some(body) = Arc::into_inner(self.0) else {
            return;
        };
        let mut body = body.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut discarded = 0;
        while discarded < MAX_UNWANTED_BYTES {
            let Some(Ok(frame)) = body.frame().await else {
                return;
            };
            discarded += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
    }
}
