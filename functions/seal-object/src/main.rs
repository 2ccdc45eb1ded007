//! The Lambda function around the handler.

use std::{env, io};

use caas_audit::Trail;
use caas_aws::ClientsConfig;
use caas_inbox::S3_TIMEOUT;
use caas_settings::{Settings, init_log, refuse_invocations};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use seal_object::{Config, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::new(|name| env::var(name).ok());
    init_log(settings.get("LOG").as_deref(), io::stdout);
    let config = Config::read(&settings);
    let config = config.and_then(|config| Ok((config, ClientsConfig::read(&settings)?)));
    let (config, mut aws) = match config {
        Ok(config) => config,
        Err(error) => return refuse_invocations(error).await,
    };
    aws.s3_timeout = S3_TIMEOUT;
    let trail = Trail::new(io::stdout(), settings.get("METRICS_NAMESPACE"));
    let inbox = config.inbox(&aws.connect().await).with_trail(trail);
    let serve = async |event: LambdaEvent<_>| Ok::<_, Error>(handle(event.payload, &inbox).await?);
    lambda_runtime::run(service_fn(serve)).await
}
