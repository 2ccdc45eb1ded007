//! What surrounds every route: request id, log line, problem documents, headers, CORS, panics.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Extension, Json, Router,
    body::Body,
    extract::Request,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tower_http::{catch_panic::CatchPanicLayer, cors::CorsLayer, timeout::RequestBodyTimeoutLayer};
use tracing::Instrument;
use uuid::Uuid;

use crate::{API_KEY_HEADER, AllowedOrigins, Problem, ProblemKind, drain::DrainedBody};

/// A request's body may pause for this long.
const BODY_IDLE: Duration = Duration::from_secs(20);

/// How long a handler may work after it has finished with the request's body: less than API Gateway
/// waits.
const DEADLINE: Duration = Duration::from_secs(20);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What every route gets: an `x-request-id` that the service makes, one line in the log, problem
/// documents, security headers, CORS for the allowed origins, and a 500 instead of a panic.
#[derive(Clone, Debug, Default)]
pub struct Edge {
    /// The origins of web pages that may call.
    pub allowed_origins: AllowedOrigins,
}

impl Edge {
    /// Puts the edge around `routes`, unknown paths included.
    pub fn around<S: Clone + Send + Sync + 'static>(&self, routes: Router<S>) -> Router<S> {
        routes
            .layer(CatchPanicLayer::custom(|_| {
                Problem::from(ProblemKind::Internal).into_response()
            }))
            .layer(RequestBodyTimeoutLayer::new(BODY_IDLE))
            .layer(middleware::from_fn(in_time))
            .layer(self.cors())
            .layer(middleware::from_fn(handle))
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

async fn handle(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let id = new_request_id();
    let span = tracing::error_span!("request", request_id = id);
    let (read, body_done) = (Arc::<AtomicU64>::default(), CancellationToken::new());
    let mut request = request.map(|body| {
        let body = DrainedBody::new(body, Arc::clone(&read), body_done.clone());
        Body::new(body)
    });
    request.extensions_mut().insert(body_done);

    let response = next.run(request).instrument(span.clone()).await;
    let response = finish(response, &id);
    span.in_scope(|| {
        tracing::info!(
            status = response.status().as_u16(),
            duration_ms = start.elapsed().as_secs_f64() * 1e3,
            size = size_class(read.load(Ordering::Relaxed)),
            "request"
        );
    });
    response
}

/// Ends a request that waits too long for KMS or S3. Reading its body has its own limits.
async fn in_time(
    Extension(body_done): Extension<CancellationToken>,
    request: Request,
    next: Next,
) -> Response {
    let too_late = async {
        body_done.cancelled().await;
        sleep(DEADLINE).await;
    };
    tokio::select! {
        response = next.run(request) => response,
        () = too_late => Problem::from(ProblemKind::DependencyUnavailable).into_response(),
    }
}

impl Problem {
    /// The complete response, for a request that never reaches an [`Edge`].
    pub fn into_complete_response(self) -> Response {
        finish(self.into_response(), &new_request_id())
    }
}

fn new_request_id() -> String {
    Uuid::new_v4().to_string()
}

/// Writes the problem document, if there is one, and the headers that every response has.
fn finish(mut response: Response, id: &str) -> Response {
    if let Some(problem) = problem_of(&mut response) {
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
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
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
}
