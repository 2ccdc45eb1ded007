//! The Lambda function around the router.

use std::{env, io, sync::Arc};

use aws_config::BehaviorVersion;
use encrypt_data::{Config, Service, router};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    caas_http::init_log(env::var("LOG").ok().as_deref(), io::stdout);
    let config = Config::read(|name| env::var(name).ok())?;
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let (s3, kms) = (
        aws_sdk_s3::Client::new(&aws),
        aws_sdk_kms::Client::new(&aws),
    );
    let keys = config.user_keys(s3, kms);
    let http = config.http;
    lambda_http::run(router(Arc::new(Service { http, keys }))).await
}
