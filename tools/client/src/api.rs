//! Requests to the service itself: small JSON in, small JSON out.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use http_body::Body as _;
use http_body_util::{BodyExt, Full, Limited};
use serde::{Serialize, de::DeserializeOwned};
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

/// The largest response accepted, in bytes. A page of a listing has up to 1,000 files.
const MAX_RESPONSE: usize = 8 << 20;

/// How many times longer than other requests a completion is repeated: S3 may take minutes to
/// assemble a file.
const COMPLETING: u32 = 4;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
pub(crate) const SIZE: HeaderName = HeaderName::from_static("caas-size");

/// A response of the service. Its body is wiped when it is dropped.
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Zeroizing<Vec<u8>>,
}

/// Omits headers and body: they may contain keys and content.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Sends one request to the service, with an optional content type and body: for what has no
    /// method here. The path is below the service's URL.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        content: Option<(&str, Vec<u8>)>,
    ) -> Result<Response, ServiceError> {
        let content = content.map(|(kind, body)| (kind, Bytes::from_owner(Zeroizing::new(body))));
        let response = self.send_once(method, path, content).await?;
        succeeded(&response)?;
        Ok(response)
    }

    pub(crate) async fn begin_upload(
        &self,
        request: &serde_json::Value,
    ) -> Result<UploadResponse, ServiceError> {
        let response = self.call(Method::POST, "/api/uploads", Some(body(request)?));
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
        let response = self.call(Method::POST, "/api/uploads/parts", Some(body(&request)?));
        read(response.await?)
    }

    /// Completes an upload with these ETags, from part 1 on. Repeating it is safe.
    pub(crate) async fn complete(&self, token: &str, etags: &[String]) -> Result<(), ServiceError> {
        let parts = (1..).zip(etags);
        let parts: Vec<_> = parts
            .map(|(number, etag): (u16, _)| json!({"number": number, "etag": etag}))
            .collect();
        let request = body(&json!({"upload": token, "parts": parts}))?;
        let complete = || self.call(Method::POST, "/api/uploads/complete", Some(request.clone()));
        for _ in 1..COMPLETING {
            match complete().await {
                Err(ServiceError::Unavailable) => {}
                response => return succeeded(&response?),
            }
        }
        succeeded(&complete().await?)
    }

    /// Aborts an upload, once and as far as possible: S3 removes it later anyway.
    pub(crate) async fn abort(&self, token: &str) {
        if let Ok(request) = body(&json!({"upload": token})) {
            let _ = self
                .call_once(Method::POST, "/api/uploads/abort", Some(request))
                .await;
        }
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
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Response, ServiceError> {
        let mut attempts = Attempts::new(self.retries);
        loop {
            let wait = match self.call_once(method.clone(), path, body.clone()).await {
                Ok(response) if !is_transient(response.status) => return Ok(response),
                Ok(response) => retry_after(&response.headers),
                Err(ServiceError::Unavailable) => Duration::ZERO,
                Err(error) => return Err(error),
            };
            if !attempts.again(wait).await {
                return Err(ServiceError::Unavailable);
            }
        }
    }

    /// Sends the request, with an optional body in JSON.
    pub(crate) async fn call_once(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Response, ServiceError> {
        let content = body.map(|body| ("application/json", body));
        self.send_once(method, path, content).await
    }

    async fn send_once(
        &self,
        method: Method,
        path: &str,
        content: Option<(&str, Bytes)>,
    ) -> Result<Response, ServiceError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header(API_KEY, &self.api_key);
        if let Some((kind, _)) = content {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let body = Full::from(content.map(|(_, body)| body).unwrap_or_default());
        let body = body.map_err(|never| match never {}).boxed();
        let request = request.body(body).map_err(|_| ServiceError::Unexpected)?;
        let response = tokio::time::timeout(TIMEOUT, self.exchange(request)).await;
        response
            .unwrap_or(Err(NoResponse))
            .map_err(|NoResponse| ServiceError::Unavailable)
    }

    async fn exchange(&self, request: Request<Body>) -> Result<Response, NoResponse> {
        let (parts, body) = self.http.send(request).await?.into_parts();
        let mut body = Limited::new(body, MAX_RESPONSE);
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(MAX_RESPONSE);
        let mut read = Zeroizing::new(Vec::with_capacity(announced.min(MAX_RESPONSE)));
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

/// A body in JSON. It may contain a user's data, and is wiped when the last request is over.
pub(crate) fn body(value: &impl Serialize) -> Result<Bytes, ServiceError> {
    let json = serde_json::to_vec(value).map_err(|_| ServiceError::Unexpected)?;
    Ok(Bytes::from_owner(Zeroizing::new(json)))
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

pub(crate) fn read<T: DeserializeOwned>(response: Response) -> Result<T, ServiceError> {
    succeeded(&response)?;
    serde_json::from_slice(&response.body).map_err(|_| ServiceError::Unexpected)
}

pub(crate) fn succeeded(response: &Response) -> Result<(), ServiceError> {
    if response.status.is_success() {
        return Ok(());
    }
    let problem: ProblemResponse = serde_json::from_slice(&response.body).unwrap_or_default();
    let code = problem.kind.strip_prefix("/problems/");
    if code.is_none() && response.status == StatusCode::PAYLOAD_TOO_LARGE {
        return Err(ServiceError::too_large());
    }
    Err(ServiceError::Refused {
        status: response.status.as_u16(),
        code: code.unwrap_or("unknown").to_owned(),
        title: problem.title,
        detail: problem.detail,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_by_the_gateway_has_a_code_too() {
        let refused = |status, body: &str| {
            let response = Response {
                status,
                headers: HeaderMap::new(),
                body: Zeroizing::new(body.as_bytes().to_vec()),
            };
            match succeeded(&response) {
                Err(ServiceError::Refused { code, detail, .. }) => (code, detail),
                other => panic!("{other:?}"),
            }
        };
        let ours = r#"{"type": "/problems/too-large", "detail": "ours"}"#;
        for (status, body, expected) in [
            (413, r#"{"message": "Request Too Long"}"#, "too-large"),
            (413, "<html>", "too-large"),
            (413, ours, "too-large"),
            (403, r#"{"message": "Forbidden"}"#, "unknown"),
        ] {
            let (code, detail) = refused(status.try_into().unwrap(), body);
            assert_eq!(code, expected, "{body}");
            assert_eq!(detail == "ours", body == ours, "{body}");
        }
    }
}
