//! `caas login`, `logout` and `whoami`.

use std::io::{self, IsTerminal};

use caas_client::{Client, ServiceError};
use clap::Args;
use serde_json::json;
use tokio::task::block_in_place;
use zeroize::Zeroizing;

use crate::{
    connection::{API_KEY, ConnectionOptions, URL},
    failure::{Exit, Failure},
    output::{Output, ask, ask_secretly},
    profiles::{DEFAULT, Profile, Profiles},
};

/// Check an API key and keep it for later commands
///
/// Asks for the API key on the terminal, or reads it from standard input. It is kept in your
/// configuration folder, in a file that only you can read.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  caas login https://abc123.execute-api.eu-central-1.amazonaws.com/Prod"
)]
pub(crate) struct Login {
    /// The service's URL
    url: Option<String>,
}

/// Forget the API key of a profile
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  caas logout --profile staging")]
pub(crate) struct Logout {}

/// Show which service you use, and check your API key
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  caas whoami")]
pub(crate) struct Whoami {}

impl Login {
    pub(crate) async fn run(
        self,
        connection: &ConnectionOptions,
        output: &Output,
    ) -> Result<(), Failure> {
        let mut profiles = Profiles::load()?;
        let name = connection.profile.as_deref().unwrap_or(DEFAULT);
        let url = match (self.url, profiles.get(name)) {
            (Some(url), _) => url,
            (None, Some(profile)) => profile.url.clone(),
            (None, None) => ask("URL of the service:")?
                .filter(|url| !url.is_empty())
                .ok_or_else(|| Failure::usage("which service?").next("caas login URL"))?,
        };
        let api_key = read_api_key()?;
        check(&Client::new(&url, &api_key)?).await?;
        profiles.set(
            name,
            Profile {
                url: url.clone(),
                api_key,
            },
        )?;
        output.note(&format!(
            "The API key is kept in {}.",
            profiles.path().display()
        ));
        output.result(
            &format!("Logged in to {url}."),
            &json!({"profile": name, "url": url}),
        )
    }
}

impl Logout {
    pub(crate) fn run(
        self,
        connection: &ConnectionOptions,
        output: &Output,
    ) -> Result<(), Failure> {
        let name = connection.profile.as_deref().unwrap_or(DEFAULT);
        let removed = Profiles::load()?.remove(name)?;
        let line = match removed {
            true => format!("The API key of profile {name:?} is removed from this machine."),
            false => format!("There is no profile {name:?}."),
        };
        output.result(&line, &json!({"profile": name, "removed": removed}))
    }
}

impl Whoami {
    pub(crate) async fn run(
        self,
        connection: &ConnectionOptions,
        output: &Output,
    ) -> Result<(), Failure> {
        let Profile { url, api_key } = connection.resolve()?;
        let checked = check(&Client::new(&url, &api_key)?).await;
        checked.map_err(|failure| failure.or_next("`caas login` checks and keeps another key"))?;
        let source = match &connection.profile {
            Some(name) => format!("profile {name:?}"),
            None if std::env::var_os(URL).is_some() => format!("{URL} and {API_KEY}"),
            None => format!("profile {DEFAULT:?}"),
        };
        output.result(
            &format!("{url}, from {source}: the API key is valid."),
            &json!({"url": url, "source": source}),
        )
    }
}

/// Reads the key without showing it.
fn read_api_key() -> Result<Zeroizing<String>, Failure> {
    let read = match io::stdin().is_terminal() {
        true => block_in_place(|| ask_secretly("API key (not shown): "))?,
        false => {
            let mut line = Zeroizing::new(String::new());
            let read = io::stdin().read_line(&mut line);
            read.map_err(|error| Failure::local("standard input", &error))?;
            line
        }
    };
    Ok(Zeroizing::new(read.trim().to_owned()))
}

/// Whether the service accepts the key, whatever its scopes.
async fn check(client: &Client) -> Result<(), Failure> {
    match client.list(1, None).await {
        Ok(_) => Ok(()),
        Err(ServiceError::Refused { status: 403, .. }) => Ok(()),
        Err(ServiceError::Refused {
            status: 401,
            title,
            detail,
            ..
        }) => Err(Failure::new(Exit::Refused, format!("{title}: {detail}"))),
        Err(error) => Err(error.into()),
    }
}
