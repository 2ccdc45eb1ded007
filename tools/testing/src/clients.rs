//! AWS SDK clients that send every request once, and how errors look on the wire.

use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig, retry::RetryConfig,
        timeout::TimeoutConfig,
    },
    error::{ProvideErrorMetadata, SdkError},
    operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder,
    types::{CompletedMultipartUpload, CompletedPart},
};
use caas_emulator::Emulator;

// Without timeouts: a busy machine may take longer than their defaults.

/// An S3 client with path-style addressing.
pub fn s3(url: &str, access_key_id: &str, secret: &str) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(credentials(access_key_id, secret))
        .endpoint_url(url)
        .force_path_style(true)
        .region(Region::new("us-east-1"))
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(TimeoutConfig::disabled());
    Client::from_conf(config.build())
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
pub fn s3_of(emulator: &Emulator) -> Client {
    let (id, secret) = (emulator.access_key_id(), emulator.secret_access_key());
    s3(&emulator.s3_url(), id, secret)
}

/// A KMS client of an emulator.
pub fn kms_of(emulator: &Emulator) -> aws_sdk_kms::Client {
    let (id, secret) = (emulator.access_key_id(), emulator.secret_access_key());
    kms(&emulator.kms_url(), id, secret)
}

/// Begins a multipart upload of one part, and returns the request that completes it.
pub async fn upload_part(
    s3: &Client,
    bucket: &str,
    key: &str,
    body: Vec<u8>,
) -> Result<CompleteMultipartUploadFluentBuilder, aws_sdk_s3::Error> {
    let created = s3.create_multipart_upload().bucket(bucket).key(key);
    let id = created.send().await?.upload_id.unwrap_or_default();
    let part = s3.upload_part().bucket(bucket).key(key).upload_id(&id);
    let uploaded = part.part_number(1).body(body.into()).send().await?;
    let part = CompletedPart::builder().part_number(1);
    let part = part.set_e_tag(uploaded.e_tag).build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let complete = s3.complete_multipart_upload().bucket(bucket).key(key);
    Ok(complete.upload_id(id).multipart_upload(parts))
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
