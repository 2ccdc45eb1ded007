//! Runs every CaaS function on this machine, on loopback, with all data in one folder.

mod audit_files;
mod cloud;
mod data_dir;
mod functions;
mod host;
mod keygen;
mod one_time_code;
mod openapi;
mod problems;
mod serve;
mod trigger;
mod welcome;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    str::FromStr,
};

use caas_audit::Trail;
use caas_crypto::{CipherPool, ClientName, SaltPool};
use caas_http::AllowedOrigins;
use clap::{Parser, Subcommand};
use tikv_jemallocator::Jemalloc;
use tokio_util::sync::CancellationToken;

use crate::{
    audit_files::AuditFiles,
    cloud::Cloud,
    data_dir::DataDir,
    serve::{Listeners, StopSignals},
};

/// Returns freed memory to the system. glibc keeps what a burst of large uploads took.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// CaaS on one machine: all functions on loopback, all data in one folder.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,

    /// Host name or address to serve on instead of loopback; S3 and KMS stay on loopback
    #[arg(long, value_name = "HOST")]
    host: Option<String>,

    /// Port on 127.0.0.1 and ::1; 0 means any free port
    #[arg(long, default_value_t = 5000)]
    port: u16,

    /// Port of S3 on 127.0.0.1; 0 means any free port
    #[arg(long, default_value_t = 5001, value_name = "PORT")]
    s3_port: u16,

    /// Port of KMS on 127.0.0.1; 0 means any free port
    #[arg(long, default_value_t = 5002, value_name = "PORT")]
    kms_port: u16,

    /// Folder for all data; created if absent
    #[arg(long, default_value = ".caas", value_name = "FOLDER")]
    data_dir: PathBuf,

    /// Maximum length of a request body
    #[arg(long, default_value_t = 64 << 20, value_name = "BYTES")]
    max_body_bytes: u64,

    /// Use the limits that the functions have on Lambda: 4.5 MB for a request body
    #[arg(long, conflicts_with = "max_body_bytes")]
    lambda_limits: bool,

    /// API key to accept instead of the generated one, made with `keygen`
    #[arg(long, value_name = "KEY", value_parser = data_dir::parse_api_key)]
    api_key: Option<data_dir::ApiKey>,

    /// Origins of web pages that may send requests, separated by commas
    #[arg(long, value_name = "ORIGINS", value_parser = valid::<AllowedOrigins>)]
    allowed_origins: Option<String>,

    /// Ciphers that a new user's key selects from, separated by commas [default: all]
    #[arg(long, value_name = "CIPHERS", value_parser = valid::<CipherPool>)]
    cipher_pool: Option<String>,

    /// Salt lengths that a new user's key selects from [default: 8,16,32,64]
    #[arg(long, value_name = "LENGTHS", value_parser = valid::<SaltPool>)]
    salt_pool: Option<String>,
}

/// Checks an option as the functions will, before anything starts.
fn valid<T: FromStr>(text: &str) -> Result<String, T::Err> {
    text.parse::<T>().map(|_| text.to_owned())
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print a new API key and the line to deploy for it; stores nothing
    Keygen {
        /// The client that gets the key: 1 to 32 characters out of a-z, 0-9 and '-'
        client: ClientName,
    },
    /// Print the OpenAPI document, as in openapi.json
    Openapi,
    /// Print every kind of problem, as docs/problems.md has it
    Problems,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = start(Options::parse()).await else {
        return ExitCode::SUCCESS;
    };
    // In one line: a backtrace says nothing to the user.
    let _ = writeln!(io::stderr(), "error: {error:#}");
    ExitCode::FAILURE
}

async fn start(mut options: Options) -> anyhow::Result<()> {
    match options.command.take() {
        Some(Command::Keygen { client }) => {
            io::stdout().write_all(keygen::text(&client)?.as_bytes())?;
            Ok(())
        }
        Some(Command::Openapi) => Ok(writeln!(io::stdout(), "{}", openapi::document()?)?),
        Some(Command::Problems) => Ok(io::stdout().write_all(problems::document().as_bytes())?),
        None => run(options).await,
    }
}

async fn run(options: Options) -> anyhow::Result<()> {
    caas_settings::init_log(std::env::var("LOG").ok().as_deref(), io::stderr);
    let listeners = Listeners::bind(options.host.as_deref(), options.port).await?;
    let data_dir = DataDir::open(options.data_dir.clone())?;
    // First, since it locks the folder.
    let cloud = Cloud::start(data_dir.path(), options.s3_port, options.kms_port).await?;
    let api_key = data_dir.api_key(options.api_key.clone())?;
    let dropped = cloud.object_created();
    let url = listeners.url();
    let trail = Trail::new(AuditFiles::new(data_dir.audit()?), None);
    let key = api_key.as_str();
    let started = functions::start(&options, &url, key, &cloud, data_dir.clone(), &trail);
    let (router, trigger) = started.await?;
    // Anywhere else than on loopback the key would cross the network in clear.
    let (code, exchange) = one_time_code::routes(api_key.clone(), trail);
    let (page, router) = match options.host {
        None => (format!("{url}/#code={code}"), router.merge(exchange)),
        Some(_) => (format!("{url}/"), router),
    };
    let router = host::guard(router, options.host.clone());

    // Before the program announces itself: whoever reads that may stop it.
    let mut signals = StopSignals::listen()?;
    let mut variables = cloud.variables()?;
    variables.push(("CAAS_URL", url.clone()));
    variables.push(("CAAS_API_KEY", api_key.as_str().to_owned()));
    let env = data_dir.write_env(&variables)?;
    write!(io::stdout(), "{}", welcome::text(&url, &page, &env))?;

    let stop = CancellationToken::new();
    let server = tokio::spawn(listeners.serve(router, stop.clone()));
    let trigger = tokio::spawn(trigger.run(dropped, stop.clone()));
    signals.next().await;
    tracing::info!("stopping: finishing requests in flight; a second Ctrl-C stops at once");
    stop.cancel();
    let finish = async {
        server.await?;
        trigger.await?;
        cloud.shutdown().await;
        anyhow::Ok(())
    };
    tokio::select! {
        result = finish => result,
        () = signals.next() => Ok(()),
    }
}
