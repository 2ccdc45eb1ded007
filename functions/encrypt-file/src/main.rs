//! The Lambda function around the router.

use std::{env, io, sync::Arc};

use caas_settings::{Settings, init_log, refuse_invocations};
use encrypt_file::{Config, router};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let settings = Settings::new(|name| env::var(name).ok());
    init_log(settings.get("LOG").as_deref(), io::stdout);
    let config = match Config::read(&settings) {
        Ok(config) => config,
        Err(error) => return refuse_invocations(error).await,
    };
    lambda_http::run(router(Arc::new(config))).await
}
