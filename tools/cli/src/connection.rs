//! Which service a command speaks to, and as whom.

use std::env::{self, VarError};

use caas_client::Client;
use clap::Args;
use zeroize::Zeroizing;

use crate::{
    failure::Failure,
    profiles::{DEFAULT, Profile, Profiles},
};

/// The variables that precede every profile that is not named on the command line.
pub(crate) const URL: &str = "CAAS_URL";
/// See [`URL`].
pub(crate) const API_KEY: &str = "CAAS_API_KEY";

/// Which service.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConnectionOptions {
    /// Profile to use instead of CAAS_URL and CAAS_API_KEY, or of the default profile
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
}

impl ConnectionOptions {
    /// The service and the key: the named profile, else the variables, else the default profile.
    pub(crate) fn resolve(&self) -> Result<Profile, Failure> {
        if let Some(name) = &self.profile {
            return stored(name);
        }
        match (variable(URL)?, variable(API_KEY)?) {
            (Some(url), Some(api_key)) => Ok(Profile {
                url: url.to_string(),
                api_key,
            }),
            (Some(_), None) => Err(Failure::usage("CAAS_URL is set, but CAAS_API_KEY is not")),
            (None, Some(_)) => Err(Failure::usage("CAAS_API_KEY is set, but CAAS_URL is not")),
            (None, None) => stored(DEFAULT),
        }
    }

    /// The service at this URL, or else as [`resolve`](Self::resolve) has it; and the API key for it.
    /// A key that belongs to another service is not sent to this one.
    pub(crate) fn service(
        &self,
        url: Option<String>,
    ) -> Result<(String, Option<Zeroizing<String>>), Failure> {
        let Some(url) = url else {
            let Profile { url, api_key } = self.resolve()?;
            return Ok((url, Some(api_key)));
        };
        let is_here = |other: &str| other.trim_end_matches('/') == url.trim_end_matches('/');
        if let Some(name) = &self.profile {
            let profile = stored(name)?;
            return match is_here(&profile.url) {
                true => Ok((url, Some(profile.api_key))),
                false => Err(Failure::usage(format!(
                    "profile {name:?} is for {}",
                    profile.url
                ))),
            };
        }
        if let Some(api_key) = variable(API_KEY)?
            && variable(URL)?.is_none_or(|other| is_here(&other))
        {
            return Ok((url, Some(api_key)));
        }
        let profiles = Profiles::load()?;
        let profile = profiles
            .names()
            .filter_map(|name| profiles.get(name))
            .find(|profile| is_here(&profile.url));
        let api_key = profile.map(|profile| profile.api_key.clone());
        Ok((url, api_key))
    }

    /// A client for the service.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let Profile { url, api_key } = self.resolve()?;
        Ok(Client::new(&url, &api_key)?)
    }
}

fn stored(name: &str) -> Result<Profile, Failure> {
    let profiles = Profiles::load()?;
    if let Some(profile) = profiles.get(name) {
        return Ok(profile.clone());
    }
    let names: Vec<_> = profiles.names().collect();
    Err(match (name, names.is_empty()) {
        (DEFAULT, true) => Failure::usage("you are not logged in"),
        _ => Failure::usage(format!("there is no profile {name:?}")),
    }
    .next(match names.is_empty() {
        true => "log in with `caas login URL`, or set CAAS_URL and CAAS_API_KEY".to_owned(),
        false => format!(
            "profiles: {}; `caas login --profile NAME URL` adds one",
            names.join(", ")
        ),
    }))
}

/// A variable of the environment, unless it is absent or empty.
pub(crate) fn variable(name: &str) -> Result<Option<Zeroizing<String>>, Failure> {
    match env::var(name).map(Zeroizing::new) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Failure::usage(format!("{name} is not UTF-8"))),
    }
}
