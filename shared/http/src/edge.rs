//! What surrounds every route: request id, log and audit lines, problem documents, headers, CORS, panics.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Extension, Json, Router,
    body::Body,
    extract::{MatchedPath, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use caas_audit::Trail;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tower_http::{catch_panic::CatchPanicLayer, cors::CorsLayer};
use tracing::Instrument;
use uuid::Uuid;

use crate::{AllowedOrigins, Audit, Problem, ProblemKind, drain::DrainedBody};

/// A request's body must bring something in every period, and end within [`BODY_PERIODS`].
const BODY_PERIOD: Duration = Duration::from_secs(20);
const BODY_PERIODS: u32 = 6;

/// How long a handler may work after it has finished with the request's body: less than API Gateway
/// waits.
const DEADLINE: Duration = Duration::from_secs(20);

/// The header that carries an API key.
pub const API_KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What every route gets: an `x-request-id` that the service makes, one line in the log and one in the
/// audit trail, problem documents, security headers, CORS for the allowed origins, and a 500 instead of
/// a panic.
#[derive(Clone, Debug, Default)]
pub struct Edge {
    /// The origins of web pages that may call.
    pub allowed_origins: AllowedOrigins,
    /// The audit trail. The default writes none.
    pub trail: Trail,
}

impl Edge {
    /// Puts the edge around `routes`, unknown paths included.
    pub fn around<S: Clone + Send + Sync + 'static>(&self, routes: Router<S>) -> Router<S> {
        routes
            .layer(CatchPanicLayer::custom(|_| {
                Problem::from(ProblemKind::Internal).into_response()
            }))
            .layer(middleware::from_fn(in_time))
            .layer(self.cors())
            .layer(middleware::from_fn_with_state(self.trail.clone(), handle))
    }

    fn cors(&self) -> CorsLayer {
        CorsLayer::new()
            .allow_origin(self.allowed_origins.to_vec())
            .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::DELETE])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                header::IF_NONE_MATCH,
                HeaderName::from_static("encryption-key"),
                HeaderName::from_static("idempotency-key"),
                API_KEY_HEADER,
            ])
            .expose_headers([
                header::CONTENT_DISPOSITION,
                HeaderName::from_static("encryption-key"),
                header::ETAG,
                header::LOCATION,
                REQUEST_ID,
            ])
    }
}

async fn handle(State(trail): State<Trail>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let id = new_request_id();
    let span = tracing::error_span!("request", request_id = id);
    let method = known_method(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let audit = Audit::new(trail, &id, operation(method, route.as_ref()));
    let _cancelled = audit.unless_ended();
    let waits = request.headers().contains_key(header::EXPECT);
    let progress = BodyProgress::default();
    let mut request =
        request.map(|body| Body::new(DrainedBody::new(body, progress.clone(), waits)));
    request.extensions_mut().insert(progress.clone());
    request.extensions_mut().insert(audit.clone());

    let mut response = next.run(request).instrument(span.clone()).await;
    let problem = problem_of(&mut response);
    let outcome = outcome(problem.as_ref(), response.status());
    let response = finish(response, problem, &id);
    span.in_scope(|| {
        tracing::info!(
            method,
            route = route.as_ref().map_or("", MatchedPath::as_str),
            status = response.status().as_u16(),
            duration_ms = start.elapsed().as_secs_f64() * 1e3,
            size = size_class(progress.read()),
            "request"
        );
    });
    audit.end(outcome).instrument(span).await;
    response
}

/// Method and route, as the audit trail has them; never the path, which can hold anything.
fn operation(method: &'static str, route: Option<&MatchedPath>) -> Cow<'static, str> {
    match route {
        Some(route) => format!("{method} {}", route.as_str()).into(),
        None => "unknown path".into(),
    }
}

/// How a request ended, as the audit trail has it.
fn outcome(problem: Option<&Problem>, status: StatusCode) -> &'static str {
    match problem {
        Some(problem) => problem.code(),
        None if status.is_client_error() || status.is_server_error() => "refused",
        None => "ok",
    }
}

/// What a handler has read of its request's body.
#[derive(Clone, Default)]
pub(crate) struct BodyProgress {
    read: Arc<AtomicU64>,
    /// Cancelled once the handler has finished with the body.
    pub(crate) done: CancellationToken,
}

impl BodyProgress {
    pub(crate) fn add(&self, len: usize) {
        self.read.fetch_add(len as u64, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Waits until the body is too slow.
    async fn too_slow(&self) {
        let mut before = 0;
        for _ in 0..BODY_PERIODS {
            sleep(BODY_PERIOD).await;
            let read = self.read();
            if read == before {
                return;
            }
            before = read;
        }
    }
}

/// Ends a request whose body arrives too slowly, or that waits too long for KMS or S3.
async fn in_time(
    Extension(progress): Extension<BodyProgress>,
    request: Request,
    next: Next,
) -> Response {
    let too_late = async {
        tokio::select! {
            () = progress.done.cancelled() => {
                sleep(DEADLINE).await;
                ProblemKind::DependencyUnavailable
            }
            () = progress.too_slow() => ProblemKind::RequestTimeout,
        }
    };
    tokio::select! {
        // First, so that a request that never waits sets no timer: that wakes another thread.
        biased;
        response = next.run(request) => response,
        problem = too_late => Problem::from(problem).into_response(),
    }
}

/// The name of a method, if it is not one that the client has made up.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

impl Problem {
    /// The complete response, for a request that never reaches an [`Edge`].
    pub fn into_complete_response(self) -> Response {
        let mut response = self.into_response();
        let problem = problem_of(&mut response);
        finish(response, problem, &new_request_id())
    }
}

fn new_request_id() -> String {
    Uuid::new_v4().to_string()
}

/// Writes the problem document, if there is one, and the headers that every response has.
fn finish(mut response: Response, problem: Option<Problem>, id: &str) -> Response {
    if let Some(problem) = problem {
        let (mut parts, _) = response.into_parts();
        parts.headers.remove(header::CONTENT_LENGTH);
        let document = Json(problem.details(id)).into_response();
        parts.headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        response = Response::from_parts(parts, document.into_body());
    }
    let headers = response.headers_mut();
    // Only the page's files say otherwise.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

/// The problem that a handler returned, or that the router's own bare responses stand for.
fn problem_of(response: &mut Response) -> Option<Problem> {
    response
        .extensions_mut()
        .remove::<Problem>()
        .or_else(|| match response.status() {
            StatusCode::NOT_FOUND => Some(Problem::new(
                ProblemKind::NotFound,
                "There is nothing at this path.",
            )),
            StatusCode::METHOD_NOT_ALLOWED => Some(ProblemKind::MethodNotAllowed.into()),
            _ => None,
        })
}

/// The bytes read of a request's body, by order of magnitude: enough to see load, too little to
/// recognise a file.
fn size_class(bytes: u64) -> &'static str {
    match bytes {
        0 => "none",
        1..=1_000 => "1kB",
        1_001..=10_000 => "10kB",
        10_001..=100_000 => "100kB",
        100_001..=1_000_000 => "1MB",
        1_000_001..=10_000_000 => "10MB",
        10_000_001..=100_000_000 => "100MB",
        _ => "more",
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Bytes, routing::post};
    use futures::stream;
    use tower::ServiceExt;

    use super::*;

    /// The body takes a minute to arrive. A page of an allowed origin can read the problem.
    #[tokio::test(start_paused = true)]
    async fn the_deadline_starts_when_the_body_was_read() {
        for (work, status) in [(19, 200), (21, 503)] {
            let handler = async move |body: Bytes| {
                sleep(Duration::from_secs(work)).await;
                body
            };
            let edge = Edge {
                allowed_origins: "https://app.example".parse().unwrap(),
                ..Edge::default()
            };
            let router: Router = edge.around(Router::new().route("/", post(handler)));
            let chunks = stream::unfold(0, async |sent| {
                sleep(Duration::from_secs(10)).await;
                (sent < 6).then_some((Ok::<_, axum::Error>("chunk"), sent + 1))
            });
            let request = Request::post("/")
                .header(header::ORIGIN, "https://app.example")
                .body(Body::from_stream(chunks));
            let response = router.oneshot(request.unwrap()).await.unwrap();
            assert_eq!(response.status(), status);
            let headers = response.headers();
            assert_eq!(headers.contains_key(header::RETRY_AFTER), status == 503);
            let allowed = headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
            assert_eq!(allowed.unwrap(), "https://app.example");
        }
    }

    /// At one byte a second, and not at all.
    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_too_slow_is_a_408() {
        for (bytes, seconds) in [(u64::MAX, 120), (1, 40), (0, 20)] {
            let chunks = stream::unfold(bytes, async |left| {
                if left == 0 {
                    std::future::pending::<()>().await;
                }
                sleep(Duration::from_secs(1)).await;
                Some((Ok::<_, axum::Error>("x"), left - 1))
            });
            let router: Router =
                Edge::default().around(Router::new().route("/", post(async |_: Bytes| ())));
            let request = Request::post("/").body(Body::from_stream(chunks)).unwrap();
            let start = tokio::time::Instant::now();
            let response = router.oneshot(request).await.unwrap();
            assert_eq!(response.status(), 408, "{bytes}");
            assert_eq!(response.headers()[header::CONNECTION], "close");
            assert_eq!(start.elapsed().as_secs(), seconds, "{bytes}");
        }
    }
}
