//! The Lambda function around the handler.

use std::{env, io, sync::Arc};

use caas_aws::ClientsConfig;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use seal_object::{Config, S3_TIMEOUT, Service, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let var = |name: &str| env::var(name).ok();
    caas_http::init_log(var("LOG").as_deref(), io::stdout);
    let config = Config::read(var)?;
    let mut clients = ClientsConfig::read(var);
    clients.s3_timeout = S3_TIMEOUT;
    let state = Arc::new(Service::new(config, clients.connect().await));
    let answer = async |event: LambdaEvent<_>| Ok::<_, Error>(handle(event.payload, &state).await?);
    lambda_runtime::run(service_fn(answer)).await
}
