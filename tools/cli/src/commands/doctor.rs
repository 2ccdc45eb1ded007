//! `caas doctor`: uses every route of a service once.

mod files;
mod form;
mod report;
mod sessions;
mod stack;
mod values;

use caas_client::{Client, ServiceError};
use clap::Args;
use http::{Method, header};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

use self::report::{Report, Trouble};
use crate::{
    connection::ConnectionOptions,
    failure::{Exit, Failure},
    output::Output,
};

/// The user whose values are throw-away data.
const USER: &str = "caa50000-0000-8000-8000-0000000d0c70";

/// The name of every file that is stored.
const FILE: &str = "caas-doctor.txt";

/// The content of every file, and every datum.
const CONTENT: &str = "caas doctor was here";

/// AWS refuses what was signed five minutes ago by another clock, or is to be used only later.
const MAX_CLOCK_DIFFERENCE: time::Duration = time::Duration::minutes(5);

/// Check a deployment or a local service
///
/// Uses every route once, with throw-away data, and says of each step whether it succeeded, and if
/// not, what is wrong and what to do. What it stores is removed at the end, except for the tombstone
/// of one user. Steps for which your API key lacks the scope are skipped. With --stack it also
/// checks the deployment: status, TLS, alarms, and the policies of buckets and KMS keys.
///
/// Exit code 1 if a step failed, 4 if the service cannot be reached.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  caas doctor\n  caas doctor http://localhost:5000\n  caas doctor --stack caas"
)]
pub(crate) struct Doctor {
    /// The service's URL, instead of the one you are logged in to
    url: Option<String>,

    /// CloudFormation stack of the service, whose settings to check with the AWS credentials of the
    /// environment
    #[arg(long, value_name = "NAME")]
    stack: Option<String>,
}

impl Doctor {
    pub(crate) async fn run(
        self,
        connection: &ConnectionOptions,
        output: &Output,
    ) -> Result<(), Failure> {
        let (url, api_key) = connection.service(self.url)?;
        let client = Client::new(&url, api_key.as_ref().map_or("", |key| key.as_str()))?;
        output.note(&format!(
            "Checking {url} with throw-away data: the user {USER}, of whom a tombstone stays, and \
             files named {FILE}, which are purged."
        ));
        let mut report = Report::new(output);
        service(&client, &mut report).await?;
        match api_key {
            None => {
                let trouble = Trouble::Skipped(format!(
                    "there is no API key for this URL: log in with `caas login {url}`"
                ));
                report.step("everything else", Err::<(), _>(trouble), |()| String::new())?;
            }
            Some(_) if is_admitted(&client, &mut report).await? => {
                values::check(&client, &mut report).await?;
                sessions::check(&client, &mut report).await?;
                files::check(&client, &mut report).await?;
            }
            Some(_) => {}
        }
        if let Some(name) = &self.stack {
            stack::check(name, &url, &mut report).await?;
        }
        report.end()
    }
}

/// What needs no API key.
async fn service(client: &Client, report: &mut Report<'_>) -> Result<(), Failure> {
    let response = client.request(Method::GET, "/health", None).await;
    let is_unreachable = matches!(response, Err(ServiceError::Unavailable));
    let response = response.map_err(|error| Trouble::of(error, "GET", "/health"));
    let health = response.and_then(|response| {
        let health = serde_json::from_slice::<Value>(&response.body).unwrap_or_default();
        match health["status"] == "ok" {
            true => Ok((response.headers, health)),
            false => Err(Trouble::not_caas()),
        }
    });
    let health = report.step("GET /health", health, |(_, health)| {
        let (version, limit) = (&health["version"], &health["limits"]["max_body_bytes"]);
        let version = version.as_str().unwrap_or("unknown");
        format!("version {version}, up to {limit} bytes in a request")
    })?;
    let Some((headers, _)) = health else {
        let exit = if is_unreachable {
            Exit::Network
        } else {
            Exit::Refused
        };
        return Err(Failure::new(exit, "nothing else was tried"));
    };
    let date = headers
        .get(header::DATE)
        .and_then(|date| date.to_str().ok());
    report.step(
        "clocks",
        clocks(date, OffsetDateTime::now_utc()),
        String::clone,
    )?;
    let index = get(client, "/").await;
    report.step("GET /", index, |_| String::new())?;
    let document = get(client, "/openapi.json").await.and_then(|body| {
        let api = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        api["paths"]
            .as_object()
            .map(|paths| paths.len())
            .ok_or_else(Trouble::not_caas)
    });
    report.step("GET /openapi.json", document, |paths| {
        format!("{paths} paths")
    })?;
    let problem = get(client, "/problems/unauthorized").await;
    report.step("GET /problems/{code}", problem, |_| String::new())?;
    Ok(())
}

async fn get(client: &Client, path: &str) -> Result<Vec<u8>, Trouble> {
    let response = client.request(Method::GET, path, None).await;
    let mut response = response.map_err(|error| Trouble::of(error, "GET", path))?;
    Ok(std::mem::take(&mut *response.body))
}

/// Whether this machine and the service agree on the time, as far as a second.
fn clocks(date: Option<&str>, now: OffsetDateTime) -> Result<String, Trouble> {
    let date = date.and_then(|date| OffsetDateTime::parse(date, &Rfc2822).ok());
    let date = date.ok_or_else(|| Trouble::Skipped("the response has no date".to_owned()))?;
    let difference = (now - date).abs();
    let text = format!("{} s apart", difference.whole_seconds());
    match difference <= MAX_CLOCK_DIFFERENCE {
        true => Ok(text),
        false => Err(Trouble::failed(
            text,
            "set this machine's clock: AWS refuses requests that another clock signed",
        )),
    }
}

/// Whether the service knows the API key, whatever its scopes.
async fn is_admitted(client: &Client, report: &mut Report<'_>) -> Result<bool, Failure> {
    let listed = client
        .request(Method::GET, "/api/files?limit=1", None)
        .await;
    let is_unknown = matches!(listed, Err(ServiceError::Refused { status: 401, .. }));
    let listed = listed.map_err(|error| Trouble::of(error, "GET", "/api/files"));
    report.step("GET /api/files", listed, |_| String::new())?;
    Ok(!is_unknown)
}

/// Sends JSON and reads JSON; `Null` for a response without a body.
async fn json(
    client: &Client,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Result<Value, ServiceError> {
    let body = body.map(|body| ("application/json", body.to_string().into_bytes()));
    let response = client.request(method, path, body).await?;
    if response.body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&response.body).map_err(|_| ServiceError::Unexpected)
}

/// A field of a response.
fn text(response: &Value, field: &str) -> Result<String, Trouble> {
    let text = response[field].as_str().map(str::to_owned);
    text.ok_or_else(Trouble::not_caas)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn clocks_may_differ_by_five_minutes() {
        let date = Some("Sat, 31 Jan 2026 12:00:00 GMT");
        for (now, expected) in [
            (datetime!(2026-01-31 12:00:01.5 UTC), Ok("1 s apart")),
            (datetime!(2026-01-31 11:55 UTC), Ok("300 s apart")),
            (datetime!(2026-01-31 12:05:01 UTC), Err("301 s apart")),
            (datetime!(2026-01-31 11:00 UTC), Err("3600 s apart")),
        ] {
            match (clocks(date, now), expected) {
                (Ok(text), Ok(expected)) => assert_eq!(text, expected),
                (Err(Trouble::Failed { what, .. }), Err(expected)) => assert_eq!(what, expected),
                (other, _) => panic!("{now}: {other:?}"),
            }
        }
        for date in [None, Some(""), Some("today")] {
            let compared = clocks(date, datetime!(2026-01-31 12:00 UTC));
            assert!(matches!(compared, Err(Trouble::Skipped(_))), "{date:?}");
        }
    }
}
