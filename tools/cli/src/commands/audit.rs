//! `caas audit`: who did what.

mod place;
mod records;

use caas_audit::Kind;
use caas_aws::ObjectKey;
use caas_crypto::{ClientName, UserId};
use clap::Args;
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use self::{
    place::Place,
    records::{Filter, Records},
};
use crate::{
    failure::{Exit, Failure},
    moment::Moment,
    output::Output,
};

/// Digits of a subject that a table shows.
const SHOWN: usize = 12;

/// Show who did what, and check that no record is missing
///
/// Reads the audit trail: of a deployment with your own AWS credentials (--stack), or of the local
/// service in its folder. Every process numbers its records; a missing or repeated number is an
/// error, and so is a deleted delivery. What was done with a link to a file is not in the trail.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  caas audit --stack caas --client acme --since 7d\n  caas audit --client local --user 123e4567-e89b-12d3-a456-426614174000"
)]
pub(crate) struct Audit {
    #[command(flatten)]
    place: Place,

    /// Only records about this file or user: its hash, as in receipts and CloudTrail, or its first
    /// digits
    #[arg(long, value_name = "HASH", value_parser = hash)]
    subject: Option<String>,

    /// Only records about this user of --client
    #[arg(
        long,
        value_name = "UUID",
        requires = "client",
        conflicts_with = "subject"
    )]
    user: Option<Uuid>,

    /// Only records about the file with this ID, of --client
    #[arg(long, value_name = "ID", requires = "client", conflicts_with_all = ["subject", "user"])]
    file: Option<String>,

    /// Only records of this client
    #[arg(long)]
    client: Option<ClientName>,

    /// Only records from this time on: days, hours or minutes ago (7d, 12h, 30m), or a time in RFC
    /// 3339
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
}

impl Audit {
    pub(crate) async fn run(self, output: &Output) -> Result<(), Failure> {
        let subject = self.subject()?;
        let since = self.since.map(Moment::before_now).transpose()?;
        let mut records = Records::new(Filter {
            subject,
            client: self.client.map(|client| client.to_string()),
            since: since.map(in_utc).transpose()?,
        });
        self.place.read(since, &mut records).await?;
        let found = records.end();
        for line in &found.lines {
            let outcome = match line.audit {
                Kind::Intent => "intent",
                Kind::Outcome => line.outcome.as_deref().unwrap_or("-"),
            };
            let removed = line.removed.map(|removed| format!("  removed {removed}"));
            let shown = format!(
                "{}  {:<12}  {:<16}  {:<40}  {:<24}  {}{}",
                line.time,
                line.client.as_deref().unwrap_or("-"),
                line.key.as_deref().unwrap_or("-"),
                line.operation,
                outcome,
                line.subject
                    .as_deref()
                    .map_or("-", |subject| subject.get(..SHOWN).unwrap_or(subject)),
                removed.unwrap_or_default(),
            );
            output.result(&crate::text::escaped(shown.trim_end()), &json!(line))?;
        }
        output.note(&format!(
            "{} records shown, of {} of {} processes.",
            found.lines.len(),
            found.read,
            found.processes
        ));
        match found.faults.is_empty() {
            true => Ok(()),
            false => Err(Failure::new(
                Exit::NotAuthentic,
                format!(
                    "the trail is incomplete or was changed\n{}",
                    found.faults.join("\n")
                ),
            )
            .next(
                "records of the last minutes may not be delivered yet; for older ones look for \
                 delivery errors, and read the log at that time",
            )),
        }
    }

    /// The hash to look for, or the beginning of it.
    fn subject(&self) -> Result<Option<String>, Failure> {
        // Both require it.
        let Some(client) = &self.client else {
            return Ok(self.subject.clone());
        };
        match (&self.user, &self.file) {
            (Some(user), _) => {
                let client = client.clone();
                Ok(Some(
                    UserId {
                        client,
                        user: *user,
                    }
                    .subject(),
                ))
            }
            (None, Some(id)) => {
                let key = ObjectKey::from_id(client, id);
                let key = key.map_err(|_| Failure::usage("--file is not the ID of a file"))?;
                Ok(Some(key.subject()))
            }
            (None, None) => Ok(self.subject.clone()),
        }
    }
}

/// Reads the beginning of a hash.
fn hash(text: &str) -> Result<String, &'static str> {
    let is_hash = (8..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    match is_hash {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("not a hash: 8 to 64 hex digits"),
    }
}

/// A time as records have it, so that they compare as text.
fn in_utc(time: OffsetDateTime) -> Result<String, Failure> {
    let time = time.to_offset(time::UtcOffset::UTC).truncate_to_second();
    let text = time.format(&Rfc3339);
    let text = text.map_err(|_| Failure::usage("--since is not a time that records can have"))?;
    // Before the fraction: a record of this second is not before it.
    Ok(text.trim_end_matches('Z').to_owned())
}
