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

/// Connections idle for this long are closed.
const POOLED: Duration = Duration::from_secs(20);

pub(crate) type Body = BoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// Sends requests over pooled connections.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient(Client<HttpsConnector<HttpConnector>, Body>);

/// No response: the connection failed, broke or timed out.
#[derive(Debug)]
pub(crate) struct NoResponse;

impl HttpClient {
    /// Trusts the system's root certificates, or those in `SSL_CERT_FILE`.
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

    /// Sends a request and returns when the head of the response has arrived.
    pub(crate) async fn send(
        &self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, NoResponse> {
        self.0.request(request).await.map_err(|_| NoResponse)
    }

    /// Like [`send`](Self::send), with a time limit.
    pub(crate) async fn send_within(
        &self,
        time: Duration,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, NoResponse> {
        let response = tokio::time::timeout(time, self.send(request)).await;
        response.unwrap_or(Err(NoResponse))
    }
}
