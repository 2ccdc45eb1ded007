//! Sends one part of an upload, until S3 has it.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::{Notify, watch};

use crate::{
    Client, ServiceError, UploadError,
    http_client::NoResponse,
    response::{PartPut, PresignedPut},
    retry::Attempts,
    upload::{Failed, STALLED, STORING, refused},
};

/// The length of a frame in bytes.
const FRAME: usize = 256 << 10;

/// A part on its way.
pub(crate) struct PartTransfer {
    pub(crate) client: Client,
    /// The upload's token.
    pub(crate) upload: Arc<str>,
    pub(crate) put: PartPut,
    pub(crate) body: Bytes,
    /// How many bytes of it this attempt has sent.
    pub(crate) sent: Arc<AtomicU64>,
    /// Notified when that changes.
    pub(crate) progress: Arc<Notify>,
}

/// A part that S3 has.
pub(crate) struct SentPart {
    pub(crate) number: u16,
    pub(crate) etag: String,
    pub(crate) body: Bytes,
}

impl PartTransfer {
    /// Sends these same bytes until S3 accepts them or no attempt is left.
    pub(crate) async fn run(mut self) -> Result<SentPart, UploadError> {
        let number = self.put.number;
        let mut attempts = Attempts::new(self.client.retries);
        let etag = loop {
            let limit = self.client.time_limit(self.body.len() as u64);
            let sent = tokio::time::timeout(limit, self.send()).await;
            let (status, wait) = match sent.unwrap_or(Err(Failed::Transient(Duration::ZERO))) {
                Ok(etag) => break etag,
                Err(Failed::Permanent(error)) => return Err(error),
                Err(Failed::Refused(status)) => (Some(status), Duration::ZERO),
                Err(Failed::Transient(wait)) => (None, wait),
            };
            self.report(0);
            if !attempts.again(wait).await {
                return Err(status.map_or(UploadError::Unavailable, |status| {
                    UploadError::Refused(status.as_u16())
                }));
            }
            if status.is_some() {
                // The request has expired.
                let parts = self.client.parts(&self.upload, number, 1, false).await?;
                let put = parts.parts.into_iter().find(|put| put.number == number);
                self.put = put.ok_or(ServiceError::Unexpected)?;
            }
        };
        Ok(SentPart {
            number,
            etag,
            body: self.body,
        })
    }

    async fn send(&self) -> Result<String, Failed> {
        let (counter, mut count) = watch::channel(0);
        let body = PartBody {
            left: self.body.clone(),
            sent: counter,
        };
        let PresignedPut { url, headers } = &self.put.put;
        let request = headers
            .iter()
            .fold(Request::put(url), |request, (name, value)| {
                request.header(name, value)
            })
            .body(body.map_err(|never| match never {}).boxed())
            .map_err(|_| Failed::Permanent(ServiceError::Unexpected.into()))?;
        let response = self.client.http.send(request);
        tokio::pin!(response);
        let response = loop {
            let is_sent = self.sent.load(Ordering::Relaxed) == self.body.len() as u64;
            let patience = if is_sent { STORING } else { STALLED };
            tokio::select! {
                response = &mut response => break response,
                Ok(()) = count.changed() => self.report(*count.borrow_and_update()),
                () = tokio::time::sleep(patience) => return Err(Failed::Transient(Duration::ZERO)),
            }
        };
        let response = response.map_err(|NoResponse| Failed::Transient(Duration::ZERO))?;
        if response.status() != StatusCode::OK {
            return Err(refused(response).await);
        }
        self.report(self.body.len() as u64);
        let etag = response.headers().get(header::ETAG);
        let etag = etag.and_then(|etag| etag.to_str().ok());
        let unexpected = Failed::Permanent(ServiceError::Unexpected.into());
        etag.map(str::to_owned).ok_or(unexpected)
    }

    fn report(&self, sent: u64) {
        self.sent.store(sent, Ordering::Relaxed);
        self.progress.notify_one();
    }
}

/// The bytes of a part, counted as they are sent.
struct PartBody {
    left: Bytes,
    sent: watch::Sender<u64>,
}

impl Body for PartBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let len = self.left.len().min(FRAME);
        let frame = self.left.split_to(len);
        self.sent.send_modify(|sent| *sent += len as u64);
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}
