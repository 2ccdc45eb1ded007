//! `caas-local keys`: API keys of the local service or of a deployment.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::Context;
use aws_config::BehaviorVersion;
use caas_aws::ClientsConfig;
use caas_clients::{KeyHash, Scope, Scopes, is_api_key};
use caas_crypto::ClientName;
use caas_http::AllowedOrigins;
use caas_keys::{FoundKey, Keys, KeysError, NewKey, bucket_of_stack};
use caas_settings::Settings;
use clap::{Args, Subcommand};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use zeroize::Zeroizing;

use crate::{
    cloud::{CLIENTS_BUCKET, Cloud},
    data_dir::DataDir,
};

/// Whose keys, and what to do with them.
#[derive(Debug, Args)]
pub(crate) struct KeysOptions {
    #[command(flatten)]
    place: Place,

    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Args)]
struct Place {
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

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Create a key for a client and print it once
    New {
        /// The client: 1 to 32 characters from a-z, 0-9 and '-'
        client: ClientName,
        /// What the key may do, such as files:read; may be repeated [default: everything]
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<Scope>,
        /// When it expires: in days, hours or minutes (90d, 12h, 30m), or a time in RFC 3339
        #[arg(long, value_name = "TIME")]
        expires: Option<Expiry>,
        /// A note about the key
        #[arg(
            long,
            default_value = "",
            value_name = "TEXT",
            hide_default_value = true
        )]
        note: String,
    },
    /// List all keys: hash, client, state, scopes and note
    List {
        /// Only those of this client
        #[arg(long)]
        client: Option<ClientName>,
    },
    /// Show everything about a key
    Show {
        /// The key's hash, at least its first 8 digits; `-` reads the key itself from standard
        /// input
        key: String,
    },
    /// Change when a key expires
    Expire {
        /// As for `show`
        key: String,
        /// As for `new`, `now`, or `never`
        #[arg(default_value = "now")]
        expires: Expiry,
    },
    /// Revoke a key permanently
    Revoke {
        /// As for `show`; all 64 digits for a key that only API_KEYS lists
        key: String,
        /// The client of a key that only API_KEYS lists
        #[arg(long)]
        client: Option<ClientName>,
    },
}

/// When a key expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expiry {
    Never,
    In(Duration),
    At(OffsetDateTime),
}

impl Expiry {
    fn time(self) -> anyhow::Result<Option<OffsetDateTime>> {
        let now = OffsetDateTime::now_utc().replace_nanosecond(0)?;
        Ok(match self {
            Self::Never => None,
            Self::In(time) => Some(now.checked_add(time).context("that is too far away")?),
            Self::At(time) => Some(time),
        })
    }
}

impl FromStr for Expiry {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "never" => return Ok(Self::Never),
            "now" => return Ok(Self::In(Duration::ZERO)),
            _ => {}
        }
        if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
            return Ok(Self::At(time));
        }
        let wrong = "not a time such as 90d, 12h, 30m or 2027-01-31T12:00:00Z";
        let (number, unit) = text
            .split_at_checked(text.len().saturating_sub(1))
            .ok_or(wrong)?;
        let number: u16 = number.parse().map_err(|_| wrong)?;
        match unit {
            "d" => Ok(Self::In(Duration::days(number.into()))),
            "h" => Ok(Self::In(Duration::hours(number.into()))),
            "m" => Ok(Self::In(Duration::minutes(number.into()))),
            _ => Err(wrong),
        }
    }
}

/// Runs one command; `environment` is the operator's.
pub(crate) async fn run(options: KeysOptions, environment: &Settings) -> anyhow::Result<()> {
    let (keys, cloud) = open(&options.place, environment).await?;
    let done = execute(&keys, options.command).await;
    if let Some(cloud) = cloud {
        cloud.shutdown().await;
    }
    done
}

/// The registry; and S3, if it had to be started for that.
async fn open(place: &Place, environment: &Settings) -> anyhow::Result<(Keys, Option<Cloud>)> {
    if place.stack.is_some() || place.bucket.is_some() {
        let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
        let bucket = match (&place.bucket, &place.stack) {
            (Some(bucket), _) => bucket.clone(),
            (None, stack) => bucket_of_stack(&aws, stack.as_deref().unwrap_or_default()).await?,
        };
        let clients = ClientsConfig::read(environment)?.connect().await;
        return Ok((Keys::new(clients.s3, bucket), None));
    }
    let folder = &place.data_dir;
    if !folder.is_dir() {
        anyhow::bail!(
            "there is no local service in {}: start caas-local there first, or name a deployment \
             with --stack",
            folder.display()
        );
    }
    // Use a running service; otherwise start its S3 for this command.
    let clients = match local_settings(folder) {
        Some(settings) => ClientsConfig::read(&settings)?.connect().await,
        None => anyhow::bail!("{} has no file `env`", folder.display()),
    };
    let running = clients.s3.head_bucket().bucket(CLIENTS_BUCKET).send().await;
    if running.is_ok() {
        return Ok((Keys::new(clients.s3, CLIENTS_BUCKET), None));
    }
    let data_dir = DataDir::open(folder.clone())?;
    let cloud = Cloud::start(data_dir.path(), 0, 0, &AllowedOrigins::default()).await?;
    let clients = cloud.connections().connect().await;
    Ok((Keys::new(clients.s3, CLIENTS_BUCKET), Some(cloud)))
}

/// The variables of the file `env` in a data folder.
fn local_settings(folder: &Path) -> Option<Settings> {
    let text = fs::read_to_string(folder.join("env")).ok()?;
    Some(Settings::new(move |name| {
        let mut values = text.lines().filter_map(|line| {
            let (key, value) = line.strip_prefix("export ")?.split_once('=')?;
            (key == name).then(|| value.trim_matches('\'').to_owned())
        });
        values.next()
    }))
}

async fn execute(keys: &Keys, command: KeysCommand) -> anyhow::Result<()> {
    let mut out = io::stdout();
    match command {
        KeysCommand::New {
            client,
            scopes,
            expires,
            note,
        } => {
            let scopes = match scopes.is_empty() {
                true => Scopes::all(),
                false => scopes.into_iter().collect(),
            };
            let mut new = NewKey::new(client, scopes);
            new.expires_at = expires.unwrap_or(Expiry::Never).time()?;
            new.note = note;
            let key = keys.add(new).await?;
            writeln!(
                io::stderr(),
                "A new API key, shown only once and stored nowhere. Its hash begins with {}.",
                short(&key.hash)
            )?;
            writeln!(out, "{}", *key.text)?;
        }
        KeysCommand::List { client } => {
            let (found, unreadable) = keys.list().await?;
            let wanted =
                |key: &&FoundKey| client.is_none() || client.as_ref() == Some(&key.record.client);
            for key in found.iter().filter(wanted) {
                let (record, scopes) = (&key.record, names(key.record.scopes));
                let (hash, state) = (short(&key.hash), state(key));
                writeln!(
                    out,
                    "{hash}  {}  {state}  {scopes}  {}",
                    record.client, record.note
                )?;
            }
            for hash in unreadable {
                writeln!(out, "{}  ?  unreadable, admits nobody", short(&hash))?;
            }
        }
        KeysCommand::Show { key } => show(&keys.find(&named(key)?).await?)?,
        KeysCommand::Expire { key, expires } => {
            show(&keys.expire(&named(key)?, expires.time()?).await?)?;
        }
        KeysCommand::Revoke { key, client } => {
            let key = named(key)?;
            match (keys.revoke(&key).await, client) {
                (Err(KeysError::NotFound), Some(client)) => {
                    let hash = match is_api_key(key.as_bytes()) {
                        true => KeyHash::of(key.as_str()),
                        false => key
                            .parse()
                            .context("give all 64 digits of the hash, or `-` and the key itself")?,
                    };
                    keys.revoke_configured(hash, client).await?;
                    show(&keys.find(&hash.to_string()).await?)?;
                }
                (Err(KeysError::NotFound), None) => anyhow::bail!(
                    "no API key in the registry has this hash; if API_KEYS lists it, add --client \
                     CLIENT to create a record that refuses it"
                ),
                (revoked, _) => show(&revoked?)?,
            }
        }
    }
    Ok(())
}

/// The key that an argument names: itself, or with `-` the first line of standard input.
fn named(argument: String) -> anyhow::Result<Zeroizing<String>> {
    if argument != "-" {
        return Ok(Zeroizing::new(argument));
    }
    let mut line = Zeroizing::new(String::new());
    io::stdin().read_line(&mut line)?;
    Ok(Zeroizing::new(line.trim().to_owned()))
}

fn show(key: &FoundKey) -> anyhow::Result<()> {
    let record = &key.record;
    let time = |time: OffsetDateTime| time.format(&Rfc3339);
    let expires = record.expires_at.map(time).transpose()?;
    write!(
        io::stdout(),
        "hash     {}\nclient   {}\nstate    {}\nscopes   {}\ncreated  {}\nexpires  {}\nnote     {}\n",
        key.hash,
        record.client,
        state(key),
        names(record.scopes),
        time(record.created)?,
        expires.as_deref().unwrap_or("never"),
        record.note,
    )?;
    Ok(())
}

/// The first digits of a hash, a few more than `show` requires.
fn short(hash: &KeyHash) -> String {
    hash.to_string()[..12].to_owned()
}

fn state(key: &FoundKey) -> &'static str {
    let record = &key.record;
    match (
        record.disabled,
        record.is_valid_at(std::time::SystemTime::now()),
    ) {
        (true, _) => "revoked",
        (false, false) => "expired",
        (false, true) => "active",
    }
}

fn names(scopes: Scopes) -> String {
    if scopes == Scopes::all() {
        return "everything".to_owned();
    }
    let names: Vec<_> = scopes.iter().map(Scope::name).collect();
    names.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiries_are_read() {
        for (text, expiry) in [
            ("never", Expiry::Never),
            ("now", Expiry::In(Duration::ZERO)),
            ("90d", Expiry::In(Duration::days(90))),
            ("12h", Expiry::In(Duration::hours(12))),
            ("30m", Expiry::In(Duration::minutes(30))),
            (
                "2027-01-31T12:00:00Z",
                Expiry::At(time::macros::datetime!(2027-01-31 12:00 UTC)),
            ),
        ] {
            assert_eq!(text.parse(), Ok(expiry), "{text}");
        }
        for text in [
            "",
            "d",
            "90",
            "-1d",
            "1.5d",
            "90 d",
            "90w",
            "1€",
            "2027-01-31",
        ] {
            assert!(text.parse::<Expiry>().is_err(), "{text}");
        }
    }
}
