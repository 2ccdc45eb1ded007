//! `caas keys`: API keys of a deployment, or of the local service.

mod expiry;
mod place;

use std::io::{self, BufRead, IsTerminal, Write};

use caas_clients::{KeyHash, Scope, Scopes, is_api_key};
use caas_crypto::ClientName;
use caas_keys::{FoundKey, Keys as Registry, KeysError, NewKey};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use zeroize::Zeroizing;

use self::{expiry::Expiry, place::Place};
use crate::{
    failure::{Exit, Failure, causes, with_causes},
    output::{Output, ask_secretly},
};

/// Create, list, expire and revoke API keys
///
/// For the operator of a service: needs AWS credentials for a deployment (--stack), or the folder of
/// the local service, which must be running. No API key and no profile.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    subcommand_required = true,
    after_help = "Example:\n  caas keys --stack caas new acme --scope files:write --expires 90d --note \"web shop\""
)]
pub(crate) struct Keys {
    #[command(flatten)]
    place: Place,

    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Create a key for a client and print it once
    #[command(after_help = "Example:\n  caas keys new acme --scope files:read --expires 90d")]
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
    #[command(after_help = "Example:\n  caas keys --stack caas list --client acme")]
    List {
        /// Only those of this client
        #[arg(long)]
        client: Option<ClientName>,
    },
    /// Show everything about a key
    #[command(after_help = "Example:\n  caas keys show 3f9a2c1be804")]
    Show {
        /// The key's hash, at least its first 8 digits; `-` reads the key itself from standard
        /// input
        key: String,
    },
    /// Change when a key expires
    #[command(after_help = "Example:\n  caas keys expire 3f9a2c1be804 12h")]
    Expire {
        /// As for `show`
        key: String,
        /// As for `new`, `now`, or `never`
        #[arg(default_value = "now")]
        expires: Expiry,
    },
    /// Revoke a key permanently
    #[command(after_help = "Example:\n  echo \"$LEAKED_KEY\" | caas keys --stack caas revoke -")]
    Revoke {
        /// As for `show`; all 64 digits for a key that only API_KEYS lists
        key: String,
        /// The client of a key that only API_KEYS lists
        #[arg(long)]
        client: Option<ClientName>,
    },
}

impl Keys {
    pub(crate) async fn run(self, output: &Output) -> Result<(), Failure> {
        let keys = self.place.open().await?;
        match self.command {
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
                add(&keys, new, output).await
            }
            KeysCommand::List { client } => list(&keys, client.as_ref(), output).await,
            KeysCommand::Show { key } => {
                let key = keys.find(&named(key).await?).await;
                show(&key.map_err(failure)?, output)
            }
            KeysCommand::Expire { key, expires } => {
                let key = keys.expire(&named(key).await?, expires.time()?).await;
                show(&key.map_err(failure)?, output)
            }
            KeysCommand::Revoke { key, client } => {
                let key = named(key).await?;
                let revoked = match (keys.revoke(&key).await, client) {
                    (Err(KeysError::NotFound), Some(client)) => {
                        revoke_configured(&keys, &key, client).await
                    }
                    (Err(KeysError::NotFound), None) => Err(failure(KeysError::NotFound).next(
                        "if API_KEYS lists it, add --client CLIENT to create a record that refuses it",
                    )),
                    (revoked, _) => revoked.map_err(failure),
                };
                show(&revoked?, output)
            }
        }
    }
}

async fn add(keys: &Registry, new: NewKey, output: &Output) -> Result<(), Failure> {
    let key = keys.add(new).await.map_err(failure)?;
    output.note(&format!(
        "A new API key, shown only once and stored nowhere. Its hash begins with {}.",
        short(&key.hash)
    ));
    // Not through a JSON value, which would keep a copy of the key.
    let mut out = io::stdout().lock();
    match output.is_json() {
        true => writeln!(
            out,
            "{{\"api_key\":\"{}\",\"hash\":\"{}\"}}",
            *key.text, key.hash
        )?,
        false => writeln!(out, "{}", *key.text)?,
    }
    Ok(out.flush()?)
}

async fn list(
    keys: &Registry,
    client: Option<&ClientName>,
    output: &Output,
) -> Result<(), Failure> {
    let (found, unreadable) = keys.list().await.map_err(failure)?;
    let wanted = |key: &&FoundKey| client.is_none_or(|client| *client == key.record.client);
    for key in found.iter().filter(wanted) {
        let (record, scopes) = (&key.record, names(key.record.scopes));
        let line = format!(
            "{}  {}  {}  {scopes}  {}",
            short(&key.hash),
            record.client,
            state(key),
            record.note
        );
        output.result(&line, &object(key)?)?;
    }
    for hash in unreadable {
        output.result(
            &format!("{}  ?  unreadable, admits nobody", short(&hash)),
            &json!({"hash": hash.to_string(), "state": "unreadable"}),
        )?;
    }
    Ok(())
}

/// Revokes a key that has no record.
async fn revoke_configured(
    keys: &Registry,
    key: &str,
    client: ClientName,
) -> Result<FoundKey, Failure> {
    let hash = match is_api_key(key.as_bytes()) {
        true => KeyHash::of(key),
        false => key.parse().map_err(|_| {
            Failure::usage("the beginning of a hash does not name a key without a record")
                .next("give all 64 digits of the hash, or `-` and the key itself")
        })?,
    };
    keys.revoke_configured(hash, client)
        .await
        .map_err(failure)?;
    keys.find(&hash.to_string()).await.map_err(failure)
}

/// The key that an argument names: itself, or with `-` the first line of standard input.
async fn named(argument: String) -> Result<Zeroizing<String>, Failure> {
    if is_api_key(argument.as_bytes()) {
        return Err(Failure::usage(
            "an API key is no argument: others can read it in the list of processes",
        )
        .next("pass `-`, and the key on standard input"));
    }
    if argument != "-" {
        return Ok(Zeroizing::new(argument));
    }
    let read = tokio::task::spawn_blocking(|| {
        if io::stdin().is_terminal() {
            return ask_secretly("API key (not shown): ");
        }
        let mut line = Zeroizing::new(String::with_capacity(128));
        let read = io::stdin().lock().read_line(&mut line);
        read.map_err(|error| Failure::local("standard input", &error))?;
        Ok(Zeroizing::new(line.trim().to_owned()))
    });
    read.await
        .map_err(|error| Failure::local("standard input", &error))?
}

fn show(key: &FoundKey, output: &Output) -> Result<(), Failure> {
    let record = &key.record;
    let expires = record.expires_at.map(rfc3339).transpose()?;
    let text = format!(
        "hash     {}\nclient   {}\nstate    {}\nscopes   {}\ncreated  {}\nexpires  {}\nnote     {}",
        key.hash,
        record.client,
        state(key),
        names(record.scopes),
        rfc3339(record.created)?,
        expires.as_deref().unwrap_or("never"),
        record.note,
    );
    output.result(&text, &object(key)?)
}

fn object(key: &FoundKey) -> Result<Value, Failure> {
    let record = &key.record;
    Ok(json!({
        "hash": key.hash.to_string(),
        "client": record.client.as_str(),
        "state": state(key),
        "scopes": record.scopes,
        "created": rfc3339(record.created)?,
        "expires": record.expires_at.map(rfc3339).transpose()?,
        "note": record.note,
    }))
}

fn rfc3339(time: OffsetDateTime) -> Result<String, Failure> {
    time.format(&Rfc3339)
        .map_err(|error| Failure::local("a time in the registry", &error))
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

pub(super) fn failure(error: KeysError) -> Failure {
    let is_network = causes(&error).any(|cause| cause.is::<io::Error>());
    let exit = match is_network {
        true => Exit::Network,
        false => Exit::Refused,
    };
    Failure::new(exit, with_causes(&error))
}
