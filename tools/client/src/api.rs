//! Calls to the service itself: small JSON in, small JSON out.

use std::time::Duration;

use http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::{
    Client, ServiceError,
    answer::{GrantAnswer, ProblemAnswer, UploadAnswer},
    http_client::{Body, NoAnswer},
    retry::Attempts,
};

/// The service answers within 20 seconds, API Gateway for it within 29.
const ANSWER: Duration = Duration::from_secs(30);

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 << 10;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const SIZE: HeaderName = HeaderName::from_static("caas-size");

/// Status, headers and body.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Zeroizing<Vec<u8>>,
}

impl Client {
    pub(crate) async fn begin_upload(
        &self,
        request: &serde_json::Value,
    ) -> Result<UploadAnswer, ServiceError> {
        let answer = self.call(Method::POST, "/api/uploads", Some(request));
        read(answer.await?)
    }

    pub(crate) async fn grant(&self, id: &str) -> Result<GrantAnswer, ServiceError> {
        let path = format!("/api/files/{id}/grant");
        read(self.call(Method::POST, &path, None).await?)
    }

    /// The length of a file in bytes, if there is such a file.
    pub(crate) async fn size_of(&self, id: &str) -> Result<Option<u64>, ServiceError> {
        let path = format!("/api/files/{id}");
        let answer = self.call(Method::HEAD, &path, None).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let size = answer.headers.get(SIZE).and_then(|size| size.to_str().ok());
        match size.and_then(|size| size.parse().ok()) {
            Some(size) if answer.status.is_success() => Ok(Some(size)),
            _ => Err(ServiceError::Unexpected),
        }
    }

    /// Calls until there is an answer that another attempt would not change.
    async fn call(
        &self,
        method: Method,
        path: &str,
        json: Option<&serde_json::Value>,
    ) -> Result<Answer, ServiceError> {
        let mut attempts = Attempts::new(self.retries);
        loop {
            let mut request = Request::builder()
                .method(method.clone())
                .uri(format!("{}{path}", self.url))
                .header(API_KEY, &self.api_key);
            if json.is_some() {
                request = request.header(header::CONTENT_TYPE, "application/json");
            }
            let body = json.map(ToString::to_string).unwrap_or_default();
            let body = Full::from(body).map_err(|never| match never {}).boxed();
            let request = request.body(body).map_err(|_| ServiceError::Unexpected)?;
            let wait = match tokio::time::timeout(ANSWER, self.call_once(request)).await {
                Ok(Ok(answer)) if !is_transient(answer.status) => return Ok(answer),
                Ok(Ok(answer)) => retry_after(&answer.headers),
                Ok(Err(NoAnswer)) | Err(_) => Duration::ZERO,
            };
            if !attempts.again(wait).await {
                return Err(ServiceError::Unavailable);
            }
        }
    }

    async fn call_once(&self, request: Request<Body>) -> Result<Answer, NoAnswer> {
        let (parts, body) = self.http.send(request).await?.into_parts();
        let mut body = Limited::new(body, MAX_ANSWER);
        let mut read = Zeroizing::new(Vec::with_capacity(MAX_ANSWER));
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.map_err(|_| NoAnswer)?.into_data() {
                read.extend_from_slice(&data);
            }
        }
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: read,
        })
    }
}

/// Whether the same request may be answered otherwise another time.
pub(crate) fn is_transient(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
        )
}

/// What `Retry-After` asks for, in its form in seconds.
pub(crate) fn retry_after(headers: &HeaderMap) -> Duration {
    let value = headers.get(header::RETRY_AFTER);
    let seconds = value.and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or_default())
}

fn read<T: DeserializeOwned>(answer: Answer) -> Result<T, ServiceError> {
    if answer.status.is_success() {
        return serde_json::from_slice(&answer.body).map_err(|_| ServiceError::Unexpected);
    }
    let problem: ProblemAnswer = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = problem.kind.strip_prefix("/problems/");
    Err(ServiceError::Refused {
        status: answer.status.as_u16(),
        code: code.unwrap_or("unknown").to_owned(),
        detail: problem.detail,
    })
}
