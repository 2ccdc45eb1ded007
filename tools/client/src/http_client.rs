//! HTTP/1.1 over TCP or TLS.

use std::{error::Error, io, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::crypto::aws_lc_rs;

const CONNECT: Duration = Duration::from_secs(10);

/// A connection that waits for the next request for this long is closed.
const POOLED: Duration = Duration::from_secs(20);

pub(crate) type Body = BoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// Connections, kept for the next request.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient(Client<HttpsConnector<HttpConnector>, Body>);

/// No answer: not connected, cut or timed out.
#[derive(Debug)]
pub(crate) struct NoAnswer;

impl HttpClient {
    /// With the system's root certificates, or those that `SSL_CERT_FILE` names.
    pub(crate) fn new() -> io::Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(aws_lc_rs::default_provider())?
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOLED)
            .build(connector);
        Ok(Self(client))
    }

    /// Sends a request, and returns when the head of the answer is there.
    pub(crate) async fn send(
        &self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, NoAnswer> {
        self.0.request(request).await.map_err(|_| NoAnswer)
    }

    /// As [`send`](Self::send), within this time.
    pub(crate) async fn send_within(
        &self,
        time: Duration,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, NoAnswer> {
        let answer = tokio::time::timeout(time, self.send(request)).await;
        answer.unwrap_or(Err(NoAnswer))
    }
}
