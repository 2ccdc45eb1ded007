//! AWS SDK clients that send every request once, and how errors look on the wire.

use aws_sdk_s3::{
    config::{
        BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig, retry::RetryConfig,
        timeout::TimeoutConfig,
    },
    error::{ProvideErrorMetadata, SdkError},
};
use caas_emulator::Emulator;

// Without timeouts: a busy machine may take longer than their defaults.

/// An S3 client with path-style addressing.
pub fn s3(url: &str, access_key_id: &str, secret: &str) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(credentials(access_key_id, secret))
        .endpoint_url(url)
        .force_path_style(true)
        .region(Region::new("us-east-1"))
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(TimeoutConfig::disabled());
    aws_sdk_s3::Client::from_conf(config.build())
}

/// A KMS client.
pub fn kms(url: &str, access_key_id: &str, secret: &str) -> aws_sdk_kms::Client {
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(credentials(access_key_id, secret))
        .endpoint_url(url)
        .region(Region::new("us-east-1"))
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(TimeoutConfig::disabled());
    aws_sdk_kms::Client::from_conf(config.build())
}

fn credentials(access_key_id: &str, secret: &str) -> Credentials {
    Credentials::new(access_key_id, secret, None, None, "test")
}

/// An S3 client of an emulator.
pub fn s3_of(emulator: &Emulator) -> aws_sdk_s3::Client {
    s3(
        &emulator.s3_url(),
        emulator.access_key_id(),
        emulator.secret_access_key(),
    )
}

/// A KMS client of an emulator.
pub fn kms_of(emulator: &Emulator) -> aws_sdk_kms::Client {
    kms(
        &emulator.kms_url(),
        emulator.access_key_id(),
        emulator.secret_access_key(),
    )
}

/// Status and code of a request that must fail; a HEAD has no code.
#[track_caller]
pub fn refused<T: std::fmt::Debug, E>(
    result: Result<T, SdkError<E, aws_sdk_s3::config::http::HttpResponse>>,
) -> (u16, String)
where
    E: ProvideErrorMetadata + std::fmt::Debug,
{
    match result {
        Err(SdkError::ServiceError(error)) => {
            let code = error.err().code().unwrap_or_default().to_owned();
            (error.raw().status().as_u16(), code)
        }
        other => panic!("expected a service error, got {other:?}"),
    }
}
