//! The Lambda function around the router.

use std::{env, io, sync::Arc};

use caas_aws::ClientsConfig;
use encrypt_data::{Config, Service, connections, router};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let var = |name: &str| env::var(name).ok();
    caas_http::init_log(var("LOG").as_deref(), io::stdout);
    let config = Config::read(var).inspect_err(|error| tracing::error!(%error, "cannot start"))?;
    let clients = connections(ClientsConfig::read(var)).connect().await;
    lambda_http::run(router(Arc::new(Service::new(config, clients)))).await
}
