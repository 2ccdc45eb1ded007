//! The Lambda function around the handler.

use std::{env, io};

use caas_aws::ClientsConfig;
use caas_inbox::S3_TIMEOUT;
use caas_settings::{InvalidSetting, Settings, init_log};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use seal_object::{Config, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::new(|name| env::var(name).ok());
    init_log(settings.get("LOG").as_deref(), io::stdout);
    let cannot_start = |error: &InvalidSetting| tracing::error!(%error, "cannot start");
    let config = Config::read(&settings).inspect_err(cannot_start)?;
    let mut aws = ClientsConfig::read(&settings).inspect_err(cannot_start)?;
    aws.s3_timeout = S3_TIMEOUT;
    let inbox = config.inbox(&aws.connect().await);
    let serve = async |event: LambdaEvent<_>| Ok::<_, Error>(handle(event.payload, &inbox).await?);
    lambda_runtime::run(service_fn(serve)).await
}
