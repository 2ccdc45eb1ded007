//! The function's routes on a loopback port, without Lambda, on whatever S3 and KMS the environment
//! names:
//!
//! ```text
//! cargo run -p upload-file --example serve -- 127.0.0.1:8080
//! ```

use std::{env, error::Error, io, sync::Arc};

use caas_audit::Trail;
use caas_aws::ClientsConfig;
use caas_settings::{Settings, init_log};
use upload_file::{Config, Service, router};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).ok_or("usage: serve ADDRESS:PORT")?;
    let settings = Settings::new(|name| env::var(name).ok());
    init_log(settings.get("LOG").as_deref(), io::stderr);
    let mut config = Config::read(&settings)?;
    config.http.edge.trail = Trail::new(io::stdout(), None);
    let clients = ClientsConfig::read(&settings)?.connect().await;
    let listener = tokio::net::TcpListener::bind(address).await?;
    let routes = router(Arc::new(Service::new(config, clients)));
    axum::serve(listener, routes).await?;
    Ok(())
}
