//! The Lambda function around the router.

use std::{env, io, sync::Arc};

use caas_audit::Trail;
use caas_aws::ClientsConfig;
use caas_settings::{Settings, init_log, refuse_invocations};
use encrypt_data::{Config, Service, connections, router};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let settings = Settings::new(|name| env::var(name).ok());
    init_log(settings.get("LOG").as_deref(), io::stdout);
    let config = Config::read(&settings);
    let config = config.and_then(|config| Ok((config, ClientsConfig::read(&settings)?)));
    let (mut config, aws) = match config {
        Ok(config) => config,
        Err(error) => return refuse_invocations(error).await,
    };
    config.http.edge.trail = Trail::new(io::stdout(), settings.get("METRICS_NAMESPACE"));
    let clients = connections(aws).connect().await;
    lambda_http::run(router(Arc::new(Service::new(config, &clients)))).await
}
