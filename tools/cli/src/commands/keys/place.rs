//! Which registry.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use aws_config::BehaviorVersion;
use caas_aws::ClientsConfig;
use caas_keys::{Keys as Registry, bucket_of_stack};
use caas_settings::Settings;
use clap::Args;

use super::failure;
use crate::failure::{Exit, Failure};

/// Where the registry is.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// CloudFormation stack whose keys to manage, with the AWS credentials of the environment
    #[arg(long, global = true, value_name = "NAME")]
    stack: Option<String>,

    /// Bucket of the registry, instead of the stack's
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "stack")]
    bucket: Option<String>,

    /// Folder of the local service, without --stack and --bucket
    #[arg(long, global = true, default_value = ".caas", value_name = "FOLDER")]
    data_dir: PathBuf,
}

impl Place {
    pub(super) async fn open(&self) -> Result<Registry, Failure> {
        let bucket = match (&self.bucket, &self.stack) {
            (Some(bucket), _) => bucket.clone(),
            (None, Some(stack)) => {
                let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
                bucket_of_stack(&aws, stack, "ClientsBucket")
                    .await
                    .map_err(failure)?
            }
            (None, None) => return local(&self.data_dir).await,
        };
        registry(&Settings::new(|name| env::var(name).ok()), bucket).await
    }
}

async fn registry(settings: &Settings, bucket: String) -> Result<Registry, Failure> {
    let config = ClientsConfig::read(settings);
    let config = config.map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Registry::new(config.connect().await.s3, bucket))
}

/// The registry of the service that runs in this folder.
async fn local(folder: &Path) -> Result<Registry, Failure> {
    let here = folder.display();
    let start = "start it with `cargo run`, or name a deployment with --stack";
    let settings = settings_of(folder).ok_or_else(|| {
        Failure::usage(format!("there is no local service in {here}")).next(start)
    })?;
    let bucket = settings.get("CLIENTS_BUCKET").unwrap_or_default();
    let s3 = ClientsConfig::read(&settings)
        .map_err(|error| Failure::usage(format!("{here}: {error}")))?
        .connect()
        .await
        .s3;
    let running = s3.head_bucket().bucket(&bucket).send().await;
    running.map_err(|_| {
        Failure::new(
            Exit::Network,
            format!("the local service in {here} is not running"),
        )
        .next(start)
    })?;
    Ok(Registry::new(s3, bucket))
}

/// The variables of the file `env` in a data folder.
fn settings_of(folder: &Path) -> Option<Settings> {
    let text = fs::read_to_string(folder.join("env")).ok()?;
    Some(Settings::new(move |name| {
        let mut values = text.lines().filter_map(|line| {
            let (key, value) = line.strip_prefix("export ")?.split_once('=')?;
            (key == name).then(|| value.trim_matches('\'').to_owned())
        });
        values.next()
    }))
}
