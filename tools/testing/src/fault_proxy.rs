//! A proxy that injects faults.

use std::{
    error::Error,
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request, Response,
    header::{CONNECTION, CONTENT_TYPE},
};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    client::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tokio_util::sync::{CancellationToken, DropGuard};

type BoxError = Box<dyn Error + Send + Sync>;
type ProxyBody = BoxBody<Bytes, BoxError>;
type Rule = dyn Fn(&ProxiedRequest<'_>) -> Fault + Send + Sync;
type Tap = dyn Fn(u64, &str, &[u8]) + Send + Sync;

/// What happens to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// None: request and response are forwarded.
    Forward,
    /// The proxy responds with this status, content type and body; the server never sees the request.
    Respond(u16, &'static str, String),
    /// The request is forwarded after this time.
    DelayRequest(Duration),
    /// The request is forwarded once this gate opens for it.
    HoldRequest(Gate),
    /// The response is held back for this time.
    DelayResponse(Duration),
    /// Both connections are cut after this many bytes of the request body. A shorter body is forwarded,
    /// and then the client's connection is cut.
    CutRequest(u64),
    /// The client's connection is cut after this many bytes of the response body.
    CutResponse(u64),
    /// The server acts, and the client's connection is cut before the first byte of the response.
    DropResponse,
    /// The response gets this header, again if it has one of this name.
    AddHeader(&'static str, &'static str),
}

/// Where a request is held. Clones are the same gate.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Notify>);

impl Gate {
    /// Lets one request pass, now or when it comes.
    pub fn open(&self) {
        self.0.notify_one();
    }
}

impl PartialEq for Gate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Gate {}

impl Fault {
    /// An error of S3.
    pub fn s3(status: u16, code: &str) -> Self {
        let body = format!("<Error><Code>{code}</Code><Message>SDK-TEXT</Message></Error>");
        Self::Respond(status, "application/xml", body)
    }

    /// S3's 503 `SlowDown`.
    pub fn slow_down() -> Self {
        Self::s3(503, "SlowDown")
    }

    /// S3's 500 `InternalError`.
    pub fn internal_error() -> Self {
        Self::s3(500, "InternalError")
    }

    /// An error of KMS.
    pub fn kms(status: u16, code: &str) -> Self {
        let body = format!(r#"{{"__type":"{code}","message":"SDK-TEXT"}}"#);
        Self::Respond(status, "application/x-amz-json-1.1", body)
    }

    /// KMS's 400 `ThrottlingException`.
    pub fn kms_throttled() -> Self {
        Self::kms(400, "ThrottlingException")
    }

    /// KMS's 500 `KMSInternalException`.
    pub fn kms_internal() -> Self {
        Self::kms(500, "KMSInternalException")
    }

    /// A rule that gives this fault to the first request that is meant.
    pub fn once(
        self,
        is_meant: impl Fn(&ProxiedRequest<'_>) -> bool + Send + Sync + 'static,
    ) -> impl Fn(&ProxiedRequest<'_>) -> Self + Send + Sync + 'static {
        let is_first = AtomicBool::new(true);
        move |request| match is_meant(request) && is_first.swap(false, Ordering::Relaxed) {
            true => self.clone(),
            false => Self::Forward,
        }
    }

    /// A rule that gives one request in `one_in` one of these faults. The choice depends only on the seed
    /// and the request's number.
    pub fn seeded(
        seed: u64,
        one_in: u64,
        faults: Vec<Fault>,
    ) -> impl Fn(&ProxiedRequest<'_>) -> Fault + Send + Sync {
        move |request| {
            let random = mixed(seed.wrapping_add(mixed(request.number)));
            let chosen = usize::try_from(mixed(random) % faults.len().max(1) as u64);
            let fault = chosen.ok().and_then(|chosen| faults.get(chosen));
            match fault {
                Some(fault) if random.is_multiple_of(one_in.max(1)) => fault.clone(),
                _ => Fault::Forward,
            }
        }
    }
}

/// A request, as a rule sees it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ProxiedRequest<'a> {
    /// The method, such as `PUT`.
    pub method: &'a str,
    /// Path and query as sent, still percent-encoded.
    pub path_and_query: &'a str,
    /// The `X-Amz-Target` header, which names a KMS operation such as `TrentService.Decrypt`.
    pub target: Option<&'a str>,
    /// The number of earlier requests under this rule.
    pub number: u64,
}

/// An HTTP proxy in front of one server, on its own loopback port until it is dropped.
///
/// Requests pass unchanged, including the Host header, so signatures stay valid. The server must
/// accept the proxy's address there, as the emulator does. Each request has its own connection to the
/// server.
pub struct FaultProxy {
    addr: SocketAddr,
    script: Arc<Mutex<Script>>,
    tap: Arc<Mutex<Arc<Tap>>>,
    _stop: DropGuard,
}

impl FaultProxy {
    /// Starts a proxy that forwards everything.
    ///
    /// # Errors
    /// When no loopback port is free.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let script = Arc::new(Mutex::new(Script::new(|_| Fault::Forward)));
        let tap: Arc<Mutex<Arc<Tap>>> = Arc::new(Mutex::new(Arc::new(|_, _, _| {})));
        let (asked, tapped) = (Arc::clone(&script), Arc::clone(&tap));
        let service = service_fn(move |request| {
            let (number, fault) = next_fault(&asked, &request);
            let tap = Arc::clone(&tapped.lock().unwrap());
            handle(upstream, watched(request, number, tap), fault)
        });
        let stop = CancellationToken::new();
        tokio::spawn(caas_server::serve(listener, service, stop.clone()));
        Ok(Self {
            addr,
            script,
            tap,
            _stop: stop.drop_guard(),
        })
    }

    /// The endpoint for clients, such as `http://127.0.0.1:34567`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Applies a rule to every request from now on, and restarts the count.
    pub fn set_rule(&self, rule: impl Fn(&ProxiedRequest<'_>) -> Fault + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Script::new(rule);
    }

    /// Forwards everything from now on, and restarts the count.
    pub fn clear_rule(&self) {
        self.set_rule(|_| Fault::Forward);
    }

    /// Shows this function all that arrives of request bodies from now on: the request's number under
    /// its rule, path and query, and the next bytes.
    pub fn set_tap(&self, tap: impl Fn(u64, &str, &[u8]) + Send + Sync + 'static) {
        *self.tap.lock().unwrap() = Arc::new(tap);
    }

    /// The number of requests since the rule was set or cleared.
    pub fn requests(&self) -> u64 {
        self.script.lock().unwrap().requests
    }
}

impl fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultProxy")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}

/// The current rule and the count since.
struct Script {
    rule: Arc<Rule>,
    requests: u64,
}

impl Script {
    fn new(rule: impl Fn(&ProxiedRequest<'_>) -> Fault + Send + Sync + 'static) -> Self {
        let rule = Arc::new(rule);
        Self { rule, requests: 0 }
    }
}

/// The request's number and its fault.
fn next_fault(script: &Mutex<Script>, request: &Request<Incoming>) -> (u64, Fault) {
    let (rule, number) = {
        let mut script = script.lock().unwrap();
        script.requests += 1;
        (Arc::clone(&script.rule), script.requests - 1)
    };
    let path = request.uri().path_and_query();
    let target = request.headers().get("x-amz-target");
    let fault = rule(&ProxiedRequest {
        method: request.method().as_str(),
        path_and_query: path.map_or("/", |path| path.as_str()),
        target: target.and_then(|target| target.to_str().ok()),
        number,
    });
    (number, fault)
}

/// Shows the body to the tap as it arrives.
fn watched(request: Request<Incoming>, number: u64, tap: Arc<Tap>) -> Request<ProxyBody> {
    let path = request.uri().path_and_query().map(ToString::to_string);
    let path = path.unwrap_or_default();
    request.map(|body| {
        let body = body.map_frame(move |frame| {
            if let Some(data) = frame.data_ref() {
                tap(number, &path, data);
            }
            frame
        });
        body.map_err(BoxError::from).boxed()
    })
}

/// An error here makes the server cut the client's connection.
async fn handle(
    upstream: SocketAddr,
    request: Request<ProxyBody>,
    fault: Fault,
) -> Result<Response<ProxyBody>, BoxError> {
    match fault {
        Fault::Respond(status, content_type, body) => {
            // A client that is still sending might never see the response.
            request.into_body().collect().await?;
            let body = Full::new(Bytes::from(body)).map_err(|never| match never {});
            let response = Response::builder().status(status);
            let response = response.header(CONTENT_TYPE, content_type);
            return Ok(response.body(body.boxed())?);
        }
        Fault::CutRequest(bytes) => {
            forward(upstream, request.map(|body| cut(body, bytes))).await?;
            return Err("cut by the rule".into());
        }
        Fault::DelayRequest(time) => tokio::time::sleep(time).await,
        Fault::HoldRequest(gate) => {
            gate.0.notified().await;
            return Ok(forward(upstream, request).await?.map(whole));
        }
        _ => {}
    }
    let mut response = forward(upstream, request).await?;
    match fault {
        Fault::AddHeader(name, value) => {
            let (name, value) = (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
            response.headers_mut().append(name, value);
        }
        Fault::CutResponse(bytes) => return Ok(response.map(|body| cut(whole(body), bytes))),
        Fault::DropResponse => {
            // After the whole response the server has certainly acted.
            response.into_body().collect().await?;
            return Err("dropped by the rule".into());
        }
        Fault::DelayResponse(time) => tokio::time::sleep(time).await,
        _ => {}
    }
    Ok(response.map(whole))
}

/// Forwards a request on its own connection, and waits for the head of the response.
async fn forward(
    upstream: SocketAddr,
    mut request: Request<ProxyBody>,
) -> Result<Response<Incoming>, BoxError> {
    request.headers_mut().remove(CONNECTION);
    let stream = TcpStream::connect(upstream).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut response = sender.send_request(request).await?;
    response.headers_mut().remove(CONNECTION);
    Ok(response)
}

fn whole(body: Incoming) -> ProxyBody {
    body.map_err(BoxError::from).boxed()
}

fn cut(body: ProxyBody, after: u64) -> ProxyBody {
    let cut = CutBody {
        body,
        left: after,
        paused: false,
    };
    cut.boxed()
}

/// A body that fails after some bytes.
struct CutBody {
    body: ProxyBody,
    left: u64,
    paused: bool,
}

impl Body for CutBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.left == 0 {
            if self.paused {
                return Poll::Ready(Some(Err("cut by the rule".into())));
            }
            // At an error hyper discards unsent bytes; while it waits, it sends them.
            self.paused = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            let frame = frame?;
            let Ok(mut data) = frame.into_data() else {
                return Ok(Frame::data(Bytes::new()));
            };
            data.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= data.len() as u64;
            Ok(Frame::data(data))
        }))
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
