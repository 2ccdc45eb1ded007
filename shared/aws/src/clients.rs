//! The connections to S3 and KMS, with their time-outs.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_config::{
    AppName, BehaviorVersion, Region, SdkConfig, retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig, timeout::TimeoutConfig,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::config::{Credentials, ResponseChecksumValidation, SharedHttpClient};
use aws_smithy_http_client::{
    Connector,
    proxy::ProxyConfig,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use caas_settings::{InvalidSetting, Settings};

use crate::{
    Presigner,
    endpoints::{endpoint, proxy},
    presigner::Session,
};

/// Connecting to an endpoint takes at most this long.
const CONNECT: Duration = Duration::from_secs(2);

/// A body that makes no progress for this long is abandoned.
const STALLED: Duration = Duration::from_secs(5);

/// Attempts per request.
const ATTEMPTS: u32 = 3;

/// Clients of S3 and KMS.
#[derive(Clone, Debug)]
pub struct Clients {
    /// S3.
    pub s3: aws_sdk_s3::Client,
    /// KMS.
    pub kms: aws_sdk_kms::Client,
    /// Presigns S3 requests for others to send.
    pub presigner: Presigner,
}

/// The endpoints of S3 and KMS, the credentials, and the time-outs of requests.
///
/// The default is AWS itself. A KMS request may take 6 s and an S3 request 14 s, including retries:
/// 20 s for an API request that makes one of each.
#[derive(Clone)]
pub struct ClientsConfig {
    /// An S3 endpoint other than AWS's own, addressed path-style and without a proxy.
    pub s3_endpoint: Option<String>,
    /// A KMS endpoint other than AWS's own, without a proxy.
    pub kms_endpoint: Option<String>,
    /// The proxy before AWS's own endpoints.
    pub proxy: Option<ProxyConfig>,
    /// The region.
    pub region: Option<String>,
    /// An access key and its secret. Without them, the SDK looks for credentials itself: in the
    /// environment, its files, and the machine's metadata service.
    pub credentials: Option<(String, String)>,
    /// The session token of temporary credentials.
    pub session_token: Option<String>,
    /// How long one S3 request may take, including retries. Reading a response body does not count,
    /// but it must not stall.
    pub s3_timeout: Duration,
    /// How long one KMS request may take, including retries.
    pub kms_timeout: Duration,
}

impl ClientsConfig {
    /// Reads the standard variables:
    ///
    /// - `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL_KMS` and `AWS_ENDPOINT_URL`
    /// - `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`
    /// - `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, also in lower case. They apply to AWS's own
    ///   endpoints, which use TLS.
    ///
    /// and `ALLOW_HTTP_ENDPOINTS`: `true` allows endpoints at `http://` on other machines.
    ///
    /// # Errors
    /// An endpoint or the proxy is not a URL, or an endpoint would be reached in clear.
    pub fn read(settings: &Settings) -> Result<Self, InvalidSetting> {
        let secret = settings.get("AWS_SECRET_ACCESS_KEY");
        Ok(Self {
            s3_endpoint: endpoint(settings, "AWS_ENDPOINT_URL_S3")?,
            kms_endpoint: endpoint(settings, "AWS_ENDPOINT_URL_KMS")?,
            proxy: proxy(settings)?,
            region: settings.get("AWS_REGION"),
            credentials: settings.get("AWS_ACCESS_KEY_ID").zip(secret),
            session_token: settings.get("AWS_SESSION_TOKEN"),
            ..Self::default()
        })
    }

    /// Makes the clients, without opening a connection or reading certificates yet.
    pub async fn connect(self) -> Clients {
        let retries = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS)
            .with_initial_backoff(Duration::from_millis(200))
            .with_max_backoff(Duration::from_secs(2));
        let stalled = StalledStreamProtectionConfig::enabled().grace_period(STALLED);
        let direct = http_client(ProxyConfig::disabled());
        let to_aws = self.proxy.map_or_else(|| direct.clone(), http_client);
        let mut builder = match self.credentials {
            Some((id, secret)) => {
                let credentials = Credentials::new(id, secret, self.session_token, None, "caas");
                SdkConfig::builder()
                    .behavior_version(BehaviorVersion::latest())
                    .credentials_provider(SharedCredentialsProvider::new(credentials))
            }
            None => aws_config::defaults(BehaviorVersion::latest())
                .http_client(to_aws.clone())
                .load()
                .await
                .into_builder(),
        }
        .retry_config(retries)
        .stalled_stream_protection(stalled.build());
        builder.set_app_name(AppName::new("caas").ok());
        if let Some(region) = self.region {
            builder = builder.region(Region::new(region));
        }
        let mut shared = builder.build();
        let session = Session::default();
        if let Some(provider) = shared.credentials_provider() {
            let watched = session.watch(provider);
            shared = shared.into_builder().credentials_provider(watched).build();
        }
        let http = |endpoint: &Option<String>| match endpoint {
            Some(_) => direct.clone(),
            None => to_aws.clone(),
        };
        let (s3_http, kms_http) = (http(&self.s3_endpoint), http(&self.kms_endpoint));
        let s3 = s3(&shared, s3_http, self.s3_endpoint, self.s3_timeout);
        Clients {
            presigner: Presigner::new(s3.clone(), session),
            s3,
            kms: kms(&shared, kms_http, self.kms_endpoint, self.kms_timeout),
        }
    }
}

impl Default for ClientsConfig {
    fn default() -> Self {
        Self {
            s3_endpoint: None,
            kms_endpoint: None,
            proxy: None,
            region: None,
            credentials: None,
            session_token: None,
            s3_timeout: Duration::from_secs(14),
            kms_timeout: Duration::from_secs(6),
        }
    }
}

/// Without credentials and the proxy, whose URL may have a password.
impl fmt::Debug for ClientsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientsConfig")
            .field("s3_endpoint", &self.s3_endpoint)
            .field("kms_endpoint", &self.kms_endpoint)
            .field("region", &self.region)
            .field("s3_timeout", &self.s3_timeout)
            .field("kms_timeout", &self.kms_timeout)
            .finish_non_exhaustive()
    }
}

fn s3(
    shared: &SdkConfig,
    http: SharedHttpClient,
    endpoint: Option<String>,
    timeout: Duration,
) -> aws_sdk_s3::Client {
    // The tag detects a changed body and reports it as not authentic. S3's checksum would report it
    // as a failed read, to be retried.
    let mut config = aws_sdk_s3::config::Builder::from(shared)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .http_client(http)
        .timeout_config(timeouts(timeout));
    if let Some(endpoint) = endpoint {
        config = config.endpoint_url(endpoint).force_path_style(true);
    }
    aws_sdk_s3::Client::from_conf(config.build())
}

fn kms(
    shared: &SdkConfig,
    http: SharedHttpClient,
    endpoint: Option<String>,
    timeout: Duration,
) -> aws_sdk_kms::Client {
    let mut config = aws_sdk_kms::config::Builder::from(shared)
        .http_client(http)
        .timeout_config(timeouts(timeout));
    if let Some(endpoint) = endpoint {
        config = config.endpoint_url(endpoint);
    }
    aws_sdk_kms::Client::from_conf(config.build())
}

/// The SDK's own HTTPS client, with three differences: the environment does not choose its proxy, it
/// is made at the first request, and services can share it.
///
/// By default, the SDK makes a connection pool per service at the start, only to check that it can,
/// and another at each service's first request. It reads all of the system's root certificates into
/// each.
fn http_client(proxy: ProxyConfig) -> SharedHttpClient {
    let made = Mutex::new(HashMap::new());
    http_client_fn(move |settings, components| {
        let key = (settings.connect_timeout(), settings.read_timeout());
        let make = || {
            let mut builder = Connector::builder()
                .connector_settings(settings.clone())
                .proxy_config(proxy.clone());
            builder.set_sleep_impl(components.sleep_impl());
            let tls = Provider::Rustls(CryptoMode::AwsLc);
            SharedHttpConnector::new(builder.tls_provider(tls).build())
        };
        let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
        made.entry(key).or_insert_with(make).clone()
    })
}

/// Gives one attempt half of the time, so that a lost response leaves time for another attempt.
fn timeouts(operation: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(operation / 2)
        .operation_timeout(operation)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_timeouts_leave_time_before_a_gateway_gives_up() {
        let config = ClientsConfig::default();
        assert!(config.s3_timeout + config.kms_timeout <= Duration::from_secs(20));
    }

    #[test]
    fn debug_shows_no_credentials() {
        let config = ClientsConfig {
            credentials: Some(("AKIA".to_owned(), "CANARY".to_owned())),
            session_token: Some("CANARY".to_owned()),
            proxy: ProxyConfig::https("http://u:CANARY@proxy").ok(),
            ..ClientsConfig::default()
        };
        let shown = format!("{config:?}");
        for secret in ["CANARY", "AKIA"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
