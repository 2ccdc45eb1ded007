//! KMS: AWS JSON 1.1 over HTTP POST.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/Welcome.html>

use std::{io, path::Path, sync::Arc};

use bytes::Bytes;
use http::{
    Method, Request, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde_json::json;

use self::{error::KmsError, keys::KeyStore};
use crate::{calls::Counter, credentials::Credentials, folder_lock::FolderLock, random};

mod administration;
mod ciphertext;
mod error;
mod json;
mod keys;
mod operations;
mod signature;

/// The longest request body; real ones are far shorter.
const MAX_REQUEST_BYTES: usize = 256 * 1024;

/// The operations of KMS on the keys of one data folder.
pub(crate) struct Kms {
    keys: KeyStore,
    /// Held as long as anything may write.
    _folder_lock: Arc<FolderLock>,
}

impl Kms {
    /// Reads the keys, if there are any. Blocking.
    pub(crate) fn open(dir: &Path, folder_lock: Arc<FolderLock>) -> io::Result<Self> {
        Ok(Self {
            keys: KeyStore::open(dir)?,
            _folder_lock: folder_lock,
        })
    }

    /// Creates an alias with a new key, unless it exists; None when KMS does not allow the name.
    pub(crate) fn ensure_alias(&self, alias: &str) -> io::Result<Option<()>> {
        if !keys::is_alias(alias) {
            return Ok(None);
        }
        if self.keys.find(alias).is_err() {
            self.keys.create_with_alias(alias)?;
        }
        Ok(Some(()))
    }

    /// The ARN of the key that an alias names.
    pub(crate) fn key_arn(&self, alias: &str) -> Option<String> {
        self.keys.find(alias).ok().map(|key| key.arn)
    }

    /// Checks one request's signature and runs its operation.
    pub(crate) async fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
        credentials: &Credentials,
        calls: &Counter,
    ) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let target = parts
            .headers
            .get("x-amz-target")
            .and_then(|target| target.to_str().ok());
        let operation = target.and_then(|target| target.strip_prefix("TrentService."));
        let operation = operation.unwrap_or_default().to_owned();
        if operations::is_known(&operation) {
            calls.count("kms", &operation);
        }
        let result = async {
            if parts.method != Method::POST {
                return Err(KmsError::UnknownOperation);
            }
            let body = Limited::new(body, MAX_REQUEST_BYTES).collect().await;
            let body = body.map_err(|_| KmsError::serialization())?.to_bytes();
            signature::check(&parts, &body, credentials)?;
            calls.record_kms(&operation, &body);
            // Creating a key writes to the disk.
            let kms = Arc::clone(&self);
            let done =
                tokio::task::spawn_blocking(move || operations::run(&kms.keys, &operation, &body));
            done.await
                .unwrap_or_else(|error| Err(io::Error::other(error).into()))
        };
        let (status, body) = match result.await {
            Ok(body) => (StatusCode::OK, body),
            Err(error) => {
                if let KmsError::Internal(cause) = &error {
                    tracing::error!(%cause, "KMS operation failed");
                }
                let body = json!({ "__type": error.name(), "message": error.to_string() });
                (error.status(), body.to_string().into_bytes())
            }
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-amz-json-1.1"),
        );
        let id = random::hex::<16>()
            .ok()
            .and_then(|id| HeaderValue::try_from(id).ok());
        headers.extend(id.map(|id| (http::HeaderName::from_static("x-amzn-requestid"), id)));
        response
    }
}
