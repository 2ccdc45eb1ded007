//! The Lambda function around the handler.

use std::{env, io};

use caas_aws::ClientsConfig;
use caas_inbox::S3_TIMEOUT;
use caas_settings::{Settings, init_log};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use seal_object::{Config, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::new(|name| env::var(name).ok());
    init_log(settings.get("LOG").as_deref(), io::stdout);
    let config =
        Config::read(&settings).inspect_err(|error| tracing::error!(%error, "cannot start"))?;
    let mut clients = ClientsConfig::read(&settings);
    clients.s3_timeout = S3_TIMEOUT;
    let inbox = config.inbox(&clients.connect().await);
    let serve = async |event: LambdaEvent<_>| Ok::<_, Error>(handle(event.payload, &inbox).await?);
    lambda_runtime::run(service_fn(serve)).await
}
