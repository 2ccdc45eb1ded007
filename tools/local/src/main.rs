//! Runs every CaaS function on this machine, on loopback, with its data in one folder.

mod cloud;
mod data_dir;
mod host;
mod openapi;
mod serve;
mod welcome;

use std::{io, io::Write, path::PathBuf, sync::Arc};

use anyhow::Context;
use caas_http::{AllowedOrigins, ApiKeys, Edge, HttpConfig};
use clap::{Parser, Subcommand};

use crate::{cloud::Cloud, data_dir::DataDir, serve::Listeners};

/// The client that the local API key belongs to.
const CLIENT: &str = "local";

/// CaaS on one machine: all functions on loopback, data kept in one folder.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,

    /// Port on 127.0.0.1 and ::1; 0 takes any free one
    #[arg(long, default_value_t = 5000)]
    port: u16,

    /// Port of S3 on 127.0.0.1; 0 takes any free one
    #[arg(long, default_value_t = 5001, value_name = "PORT")]
    s3_port: u16,

    /// Port of KMS on 127.0.0.1; 0 takes any free one
    #[arg(long, default_value_t = 5002, value_name = "PORT")]
    kms_port: u16,

    /// Folder for all data; made if absent
    #[arg(long, default_value = ".caas", value_name = "FOLDER")]
    data_dir: PathBuf,

    /// Longest body of a request
    #[arg(long, default_value_t = 64 << 20, value_name = "BYTES")]
    max_body_bytes: u64,

    /// API key to accept, instead of the one made at the first start [at least 16 visible characters]
    #[arg(long, value_name = "KEY", value_parser = data_dir::parse_api_key)]
    api_key: Option<data_dir::ApiKey>,

    /// Origins of web pages that may call, separated by commas
    #[arg(long, default_value = "", value_name = "ORIGINS")]
    allowed_origins: AllowedOrigins,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the description of the API, as openapi.json has it
    Openapi,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(Command::Openapi) = options.command {
        return Ok(writeln!(io::stdout(), "{}", openapi::document()?)?);
    }
    run(options).await
}

async fn run(options: Options) -> anyhow::Result<()> {
    caas_http::init_log(std::env::var("LOG").ok().as_deref(), io::stderr);
    let listeners = Listeners::bind(options.port).await?;
    let data_dir = DataDir::open(options.data_dir)?;
    let api_key = data_dir.api_key(options.api_key)?;
    let cloud = Cloud::start(data_dir.path(), options.s3_port, options.kms_port).await?;

    let hash = caas_http::hash_api_key(api_key.as_str());
    let api_keys: ApiKeys = format!("{CLIENT}:{hash}").parse().context("own API key")?;
    let edge = Edge {
        allowed_origins: options.allowed_origins,
    };
    let http = HttpConfig {
        api_keys,
        max_body_bytes: options.max_body_bytes,
        edge,
    };
    let functions = encrypt_file::router(Arc::new(encrypt_file::Config { http, public: true }));
    let router = host::guard(functions);

    let url = listeners.url();
    let mut variables = cloud.variables()?;
    variables.push(("CAAS_URL", url.clone()));
    variables.push(("CAAS_API_KEY", api_key.as_str().to_owned()));
    let env = data_dir.write_env(&variables)?;
    write!(io::stdout(), "{}", welcome::text(&url, &env))?;
    listeners.serve(router).await?;
    cloud.shutdown().await;
    Ok(())
}
