//! `caas s3`: objects of the Amazon S3 Encryption Client, version 3, without a service.

mod get;
mod put;
mod verify;

use std::{env, fs::File, io::Seek, str::FromStr, time::Duration};

use caas_aws::{Clients, ClientsConfig, KmsKey, Unavailable};
use caas_crypto::stored::{EncryptionContext, HeaderError, InvalidContext};
use caas_settings::Settings;
use caas_vault::{GetError, ObjectAddress, ObjectInfo, Vault};
use clap::{Args, Subcommand};
use tokio::time::interval;

use crate::{
    failure::{Exit, Failure},
    output::Output,
    progress::Bars,
};

/// A part of 8 MiB has to fit, on a slow line.
const S3_TIMEOUT: Duration = Duration::from_secs(600);

const KMS_TIMEOUT: Duration = Duration::from_secs(30);

/// How often progress is shown.
const TICK: Duration = Duration::from_millis(100);

const ABOUT_ACCESS: &str = "\
Credentials, region and endpoints are those of the AWS SDKs and of the AWS CLI: AWS_PROFILE,
AWS_ACCESS_KEY_ID, AWS_REGION, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL_KMS and others.";

/// Read, write and verify S3 objects in the format of the S3 Encryption Client V3, without a service
///
/// Uses your own AWS credentials and KMS keys. AWS's clients of version 3 and later, for Java, Go,
/// .NET, Python and other languages, read and write the same objects.
#[derive(Debug, Args)]
#[command(after_help = ABOUT_ACCESS, subcommand_required = true)]
pub(crate) struct S3 {
    #[command(subcommand)]
    command: S3Command,
}

#[derive(Debug, Subcommand)]
enum S3Command {
    Get(get::Get),
    Put(put::Put),
    Verify(verify::Verify),
}

impl S3 {
    pub(crate) async fn run(self, output: &Output) -> Result<(), Failure> {
        output.show_log();
        match self.command {
            S3Command::Get(command) => command.run(output).await,
            S3Command::Put(command) => command.run(output).await,
            S3Command::Verify(command) => command.run(output).await,
        }
    }
}

/// Under which context objects are expected, and which key wraps their keys.
#[derive(Clone, Debug, Args)]
struct Expected {
    /// A pair of the encryption context that the object was written with; once for each pair
    ///
    /// Without this option, two contexts are accepted: none, and that of files that CaaS stores.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,

    /// Accept only this KMS key: its id, ARN or alias [default: the key that the object names]
    #[arg(long, value_name = "ID")]
    kms_key: Option<String>,
}

impl Expected {
    /// The vault in this bucket.
    fn vault(&self, clients: &Clients, bucket: &str) -> Vault {
        let kms = clients.kms.clone();
        let key = match &self.kms_key {
            Some(id) => KmsKey::new(kms, id),
            None => KmsKey::any(kms),
        };
        Vault::new(clients.s3.clone(), bucket, key)
    }

    /// Where an object is, if it has one of the contexts that are accepted. They come from the
    /// caller and from the S3 key, never from the object.
    fn address(&self, key: &str, info: &ObjectInfo) -> Result<ObjectAddress, HeaderError> {
        let given = context(&self.context).map_err(|_| HeaderError::WrongContext)?;
        let given = ObjectAddress::new(key, given);
        let stored = ObjectAddress::new(key, EncryptionContext::for_object(key));
        match info.header_at(&given) {
            Ok(_) => Ok(given),
            Err(HeaderError::WrongContext) if self.context.is_empty() => {
                info.header_at(&stored).map(|_| stored)
            }
            Err(error) => Err(error),
        }
    }
}

/// The name of an object, or the beginning of names.
#[derive(Clone, Debug)]
struct S3Url {
    bucket: String,
    key: String,
}

impl FromStr for S3Url {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("s3://").ok_or("begin with s3://")?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        match bucket.is_empty() {
            true => Err("name a bucket: s3://BUCKET/KEY"),
            false => Ok(Self {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
            }),
        }
    }
}

impl std::fmt::Display for S3Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key.escape_debug())
    }
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    match name.is_empty() {
        true => Err("write NAME=VALUE"),
        false => Ok((name.to_owned(), value.to_owned())),
    }
}

fn context(pairs: &[(String, String)]) -> Result<EncryptionContext, Failure> {
    EncryptionContext::of(pairs.iter().cloned()).map_err(|error| {
        Failure::usage(match error {
            InvalidContext::Duplicate => "a name of --context is a duplicate",
            InvalidContext::Reserved => {
                "names of --context must not be `kms_cmk_id` or begin with `aws:`"
            }
        })
    })
}

async fn connect() -> Result<Clients, Failure> {
    let settings = Settings::new(|name| env::var(name).ok());
    let config =
        ClientsConfig::read(&settings).map_err(|error| Failure::usage(error.to_string()))?;
    // The SDK itself looks for them, also in profiles.
    let config = ClientsConfig {
        region: None,
        credentials: None,
        session_token: None,
        s3_timeout: S3_TIMEOUT,
        kms_timeout: KMS_TIMEOUT,
        ..config
    };
    Ok(config.connect().await)
}

/// Shows how far the work is in this file, until it is done.
async fn watch<T>(
    output: &Output,
    (name, total): (&str, Option<u64>),
    mut file: File,
    work: impl Future<Output = T>,
) -> T {
    let bars = Bars::one(output);
    let mut bar = bars.bar(name);
    let mut ticks = interval(TICK);
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            _ = ticks.tick() => {
                if let (Ok(done), Some(total)) = (file.stream_position(), total) {
                    bars.show(&mut bar, done, total);
                }
            }
        }
    }
}

fn no_header(error: &HeaderError) -> Failure {
    match error {
        HeaderError::WrongContext => Failure::new(
            Exit::NotAuthentic,
            "the object was written with another encryption context",
        )
        .next("give exactly the pairs that its writer gave, each with --context NAME=VALUE"),
        error => Failure::new(
            Exit::NotAuthentic,
            format!("the object is not in the format of the S3 Encryption Client V3: {error}"),
        ),
    }
}

fn not_opened(error: GetError) -> Failure {
    match error {
        GetError::NotFound => Failure::new(Exit::Refused, "there is no such object"),
        GetError::OtherContext => no_header(&HeaderError::WrongContext),
        GetError::NotAuthentic => Failure::new(
            Exit::NotAuthentic,
            "the object does not open: it was changed, or another KMS key wrapped its key",
        )
        .next("nothing was written"),
        GetError::TooLarge { .. } => Failure::new(Exit::Refused, error.to_string()),
        GetError::Destination(cause) => Failure::local("the file cannot be written", &cause),
        GetError::Unavailable => unavailable(Unavailable),
    }
}

fn unavailable(Unavailable: Unavailable) -> Failure {
    Failure::new(
        Exit::Network,
        "S3 or KMS cannot be reached, or denies access",
    )
    .next("check credentials, region and endpoints: `caas s3 --help` names the variables")
}
