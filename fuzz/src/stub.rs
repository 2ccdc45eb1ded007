//! An S3 that is always empty and remembers what it was asked for.

use std::sync::{Arc, Mutex};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
};
use aws_smithy_types::body::SdkBody;
use caas_aws::KmsKey;
use caas_vault::Vault;

/// An S3 that is always empty.
#[derive(Clone, Debug)]
pub struct StubS3 {
    uris: Arc<Mutex<Vec<String>>>,
    /// A client of it.
    pub client: aws_sdk_s3::Client,
}

impl StubS3 {
    /// Connects to nothing.
    pub fn new() -> Self {
        let uris = Arc::default();
        let connector = SharedHttpConnector::new(Connector(Arc::clone(&uris)));
        let http = http_client_fn(move |_, _| connector.clone());
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(Credentials::new("id", "secret", None, None, "fuzz"))
            .endpoint_url("http://localhost")
            .force_path_style(true)
            .http_client(http)
            .region(Region::new("us-east-1"));
        let client = aws_sdk_s3::Client::from_conf(config.build());
        Self { uris, client }
    }

    /// A vault in it, whose KMS nobody gets to.
    pub fn vault(&self) -> Vault {
        let kms = aws_sdk_kms::Config::builder().behavior_version(BehaviorVersion::latest());
        let kms = aws_sdk_kms::Client::from_conf(kms.build());
        Vault::new(
            self.client.clone(),
            "vault",
            KmsKey::new(kms, "alias/files"),
        )
    }

    /// The URIs of the requests since the last time.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.uris.lock().expect("never poisoned"))
    }
}

impl Default for StubS3 {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug)]
struct Connector(Arc<Mutex<Vec<String>>>);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let uri = request.uri().to_owned();
        let (status, body) = match uri.contains('?') {
            true if uri.contains("?versions") => (200, "<ListVersionsResult></ListVersionsResult>"),
            true if uri.contains("list-type=2") => (200, "<ListBucketResult></ListBucketResult>"),
            _ => (404, ""),
        };
        self.0.lock().expect("never poisoned").push(uri);
        let status = status.try_into().expect("a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(body))))
    }
}
