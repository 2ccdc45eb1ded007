//! The Lambda function around the router.

use std::{env, io, sync::Arc};

use encrypt_file::{Config, router};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    caas_http::init_log(env::var("LOG").ok().as_deref(), io::stdout);
    let config = Config::read(|name| env::var(name).ok())
        .inspect_err(|error| tracing::error!(%error, "cannot start"))?;
    lambda_http::run(router(Arc::new(config))).await
}
