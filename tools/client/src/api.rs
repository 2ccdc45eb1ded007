//! Requests to the service itself: small JSON in, small JSON out.

use std::time::Duration;

use http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use serde::de::DeserializeOwned;
use serde_json::json;
use zeroize::Zeroizing;

use crate::{
    Client, ServiceError,
    http_client::{Body, NoResponse},
    response::{GrantResponse, PartsResponse, ProblemResponse, UploadResponse},
    retry::Attempts,
};

/// The service responds within 20 seconds; API Gateway gives up after 29.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The largest response accepted, in bytes.
const MAX_RESPONSE: usize = 64 << 10;

/// How many times longer than other requests a completion is repeated: S3 may take minutes to
/// assemble a file.
const COMPLETING: u32 = 4;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const SIZE: HeaderName = HeaderName::from_static("caas-size");

/// Status, headers and body.
struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: Zeroizing<Vec<u8>>,
}

impl Client {
    pub(crate) async fn begin_upload(
        &self,
        request: &serde_json::Value,
    ) -> Result<UploadResponse, ServiceError> {
        let response = self.call(Method::POST, "/api/uploads", Some(request));
        read(response.await?)
    }

    /// Where to send `count` parts from this one on, and with `resume` the key again.
    pub(crate) async fn parts(
        &self,
        token: &str,
        from: u16,
        count: u16,
        resume: bool,
    ) -> Result<PartsResponse, ServiceError> {
        let request = json!({"upload": token, "from": from, "count": count, "resume": resume});
        let response = self.call(Method::POST, "/api/uploads/parts", Some(&request));
        read(response.await?)
    }

    /// Completes an upload with these ETags, from part 1 on. Repeating it is safe.
    pub(crate) async fn complete(&self, token: &str, etags: &[String]) -> Result<(), ServiceError> {
        let parts = (1..).zip(etags);
        let parts: Vec<_> = parts
            .map(|(number, etag): (u16, _)| json!({"number": number, "etag": etag}))
            .collect();
        let request = json!({"upload": token, "parts": parts});
        for _ in 1..COMPLETING {
            let response = self.call(Method::POST, "/api/uploads/complete", Some(&request));
            match response.await {
                Err(ServiceError::Unavailable) => {}
                response => return succeeded(&response?),
            }
        }
        let response = self.call(Method::POST, "/api/uploads/complete", Some(&request));
        succeeded(&response.await?)
    }

    /// Aborts an upload, once and as far as possible: S3 removes it later anyway.
    pub(crate) async fn abort(&self, token: &str) {
        let request = json!({"upload": token});
        self.try_once(Method::POST, "/api/uploads/abort", Some(&request))
            .await;
    }

    /// Deletes a file, once and as far as possible.
    pub(crate) async fn delete(&self, id: &str) {
        let path = format!("/api/files/{id}");
        self.try_once(Method::DELETE, &path, None).await;
    }

    pub(crate) async fn grant(&self, id: &str) -> Result<GrantResponse, ServiceError> {
        let path = format!("/api/files/{id}/grant");
        read(self.call(Method::POST, &path, None).await?)
    }

    /// The length of a file in bytes, or `None` if there is no such file.
    pub(crate) async fn size_of(&self, id: &str) -> Result<Option<u64>, ServiceError> {
        let path = format!("/api/files/{id}");
        let response = self.call(Method::HEAD, &path, None).await?;
        if response.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let size = response
            .headers
            .get(SIZE)
            .and_then(|size| size.to_str().ok());
        match size.and_then(|size| size.parse().ok()) {
            Some(size) if response.status.is_success() => Ok(Some(size)),
            _ => Err(ServiceError::Unexpected),
        }
    }

    /// Sends the request until it gets a response that is not transient.
    async fn call(
        &self,
        method: Method,
        path: &str,
        json: Option<&serde_json::Value>,
    ) -> Result<Response, ServiceError> {
        let mut attempts = Attempts::new(self.retries);
        loop {
            let request = self.request(method.clone(), path, json)?;
            let wait = match tokio::time::timeout(TIMEOUT, self.call_once(request)).await {
                Ok(Ok(response)) if !is_transient(response.status) => return Ok(response),
                Ok(Ok(response)) => retry_after(&response.headers),
                Ok(Err(NoResponse)) | Err(_) => Duration::ZERO,
            };
            if !attempts.again(wait).await {
                return Err(ServiceError::Unavailable);
            }
        }
    }

    async fn try_once(&self, method: Method, path: &str, json: Option<&serde_json::Value>) {
        if let Ok(request) = self.request(method, path, json) {
            let _ = tokio::time::timeout(TIMEOUT, self.call_once(request)).await;
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        json: Option<&serde_json::Value>,
    ) -> Result<Request<Body>, ServiceError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header(API_KEY, &self.api_key);
        if json.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = json.map(ToString::to_string).unwrap_or_default();
        let body = Full::from(body).map_err(|never| match never {}).boxed();
        request.body(body).map_err(|_| ServiceError::Unexpected)
    }

    async fn call_once(&self, request: Request<Body>) -> Result<Response, NoResponse> {
        let (parts, body) = self.http.send(request).await?.into_parts();
        let mut body = Limited::new(body, MAX_RESPONSE);
        let mut read = Zeroizing::new(Vec::with_capacity(MAX_RESPONSE));
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.map_err(|_| NoResponse)?.into_data() {
                read.extend_from_slice(&data);
            }
        }
        Ok(Response {
            status: parts.status,
            headers: parts.headers,
            body: read,
        })
    }
}

/// Whether a retry may succeed.
pub(crate) fn is_transient(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
        )
}

/// The delay in `Retry-After`, in its form in seconds.
pub(crate) fn retry_after(headers: &HeaderMap) -> Duration {
    let value = headers.get(header::RETRY_AFTER);
    let seconds = value.and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or_default())
}

fn read<T: DeserializeOwned>(response: Response) -> Result<T, ServiceError> {
    succeeded(&response)?;
    serde_json::from_slice(&response.body).map_err(|_| ServiceError::Unexpected)
}

fn succeeded(response: &Response) -> Result<(), ServiceError> {
    if response.status.is_success() {
        return Ok(());
    }
    let problem: ProblemResponse = serde_json::from_slice(&response.body).unwrap_or_default();
    let code = problem.kind.strip_prefix("/problems/");
    Err(ServiceError::Refused {
        status: response.status.as_u16(),
        code: code.unwrap_or("unknown").to_owned(),
        detail: problem.detail,
    })
}
