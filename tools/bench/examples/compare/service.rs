//! The functions behind HTTP, without S3 and KMS, configured by the environment as on Lambda.

use std::{
    env,
    io::{self, stdin},
    net::Ipv4Addr,
    sync::Arc,
    time::Instant,
};

use axum::Router;
use caas_aws::ClientsConfig;
use caas_bench::Error;
use caas_inbox::Inbox;
use caas_settings::{Settings, init_log};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Prints the port; then seals what standard input names, an S3 event or a sweep in each line, and prints how long it
/// took.
pub(crate) async fn serve() -> Result<(), Error> {
    let settings = Settings::new(|name| env::var(name).ok());
    init_log(settings.get("LOG").as_deref(), io::stderr);
    let connections = ClientsConfig::read(&settings)?;
    let router = router(&settings, connections.clone()).await?;
    let inbox = seal_object::Config::read(&settings)?.inbox(&connections.connect().await);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", json!({"port": listener.local_addr()?.port()}));
    let server = axum::serve(listener, router);
    tokio::select! {
        ended = server => Ok(ended?),
        ended = seal(&inbox) => ended,
    }
}

async fn router(settings: &Settings, connections: ClientsConfig) -> Result<Router, Error> {
    let encrypt_data = encrypt_data::Service::new(
        encrypt_data::Config::read(settings)?,
        &encrypt_data::connections(connections.clone())
            .connect()
            .await,
    );
    let encrypt_file = encrypt_file::Config::read(settings)?;
    let encrypt_file = encrypt_file::Service::connect(encrypt_file, connections.clone()).await;
    let upload_file = upload_file::Config::read(settings)?;
    let upload_file = upload_file::Service::new(upload_file, connections.connect().await);
    Ok(encrypt_file::router(Arc::new(encrypt_file))
        .merge(encrypt_data::router(Arc::new(encrypt_data)))
        .merge(upload_file::router(Arc::new(upload_file))))
}

/// Ends with standard input.
async fn seal(inbox: &Inbox) -> Result<(), Error> {
    loop {
        let line = tokio::task::spawn_blocking(|| stdin().lines().next());
        let Some(line) = line.await?.transpose()? else {
            return Ok(());
        };
        let event: Value = serde_json::from_str(&line)?;
        let begun = Instant::now();
        let report = seal_object::handle(event, inbox).await?;
        println!(
            "{}",
            json!({"seconds": begun.elapsed().as_secs_f64(), "report": report})
        );
    }
}
