//! The Lambda function around the router.

use std::{env, io, sync::Arc};

use caas_aws::ClientsConfig;
use caas_settings::{InvalidSetting, Settings, init_log};
use upload_file::{Config, Service, router};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let settings = Settings::new(|name| env::var(name).ok());
    init_log(settings.get("LOG").as_deref(), io::stdout);
    let cannot_start = |error: &InvalidSetting| tracing::error!(%error, "cannot start");
    let config = Config::read(&settings).inspect_err(cannot_start)?;
    let aws = ClientsConfig::read(&settings).inspect_err(cannot_start)?;
    let clients = aws.connect().await;
    lambda_http::run(router(Arc::new(Service::new(config, clients)))).await
}
