//! `caas rm`.

use caas_client::{Client, Receipt};
use clap::Args;
use serde_json::json;

use crate::{
    connection::ConnectionOptions,
    failure::{Exit, Failure},
    lookup::{Found, absent, as_id, search},
    output::{Output, ask},
    tally::Tally,
    text::{escaped, minute},
};

/// Delete files
///
/// The operator of the service can recover a deleted file for a while, 30 days by default. With --purge
/// it is removed at once with all its versions, and nobody can.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  caas rm report.txt\n  caas rm --purge report.txt")]
pub(crate) struct Rm {
    /// IDs, paths or names
    #[arg(value_name = "ID|NAME", required = true)]
    files: Vec<String>,

    /// Remove all versions permanently
    #[arg(long)]
    purge: bool,

    /// Do not ask before --purge
    #[arg(long, short)]
    yes: bool,
}

impl Rm {
    pub(crate) async fn run(
        self,
        connection: &ConnectionOptions,
        output: &Output,
    ) -> Result<(), Failure> {
        let client = connection.client()?;
        let mut tally = Tally::new(output, self.files.len());
        let mut found = Vec::new();
        for wanted in &self.files {
            match self.find(&client, output, wanted).await {
                Ok(file) => found.push((wanted, file)),
                Err(failure) => tally.failed(failure),
            }
        }
        if self.purge && !self.yes && !found.is_empty() {
            confirm(&found)?;
        }
        for (wanted, Found { id, name }) in found {
            let deleted = match self.purge {
                true => client.purge(&id).await.map(Some),
                false => client.delete(&id).await.map(|()| None),
            };
            let receipt = match deleted {
                Ok(receipt) => receipt,
                Err(error) => {
                    tally.failed(Failure::from(error).about(escaped(wanted)));
                    continue;
                }
            };
            let shown = escaped(&name);
            let line = match &receipt {
                Some(receipt) => format!("Removed {shown} permanently: {}", erased(receipt)),
                None => {
                    let id = escaped(&id);
                    format!("Deleted {shown}. The operator can recover it for a while: {id}")
                }
            };
            let mut object = json!({"id": id, "name": name, "purged": self.purge});
            if let Some(receipt) = receipt {
                object["receipt"] = json!(receipt);
            }
            output.result(&line, &object)?;
        }
        tally.end()
    }

    /// What is deleted already, or not sealed yet, has no name; its ID still leads to it.
    async fn find(&self, client: &Client, output: &Output, wanted: &str) -> Result<Found, Failure> {
        if let Some(found) = search(client, output, wanted).await? {
            return Ok(found);
        }
        let name = wanted.to_owned();
        let found = as_id(wanted).map(|id| Found { id, name });
        found.ok_or_else(|| absent(wanted))
    }
}

/// What a receipt says.
pub(crate) fn erased(receipt: &Receipt) -> String {
    let what = match receipt.versions_removed {
        0 => "there was nothing left".to_owned(),
        1 => "1 version".to_owned(),
        versions => format!("{versions} versions"),
    };
    let Receipt {
        subject,
        time,
        request_id,
        ..
    } = receipt;
    escaped(&format!(
        "{what}, {}. Subject {subject}, request {request_id}",
        minute(time)
    ))
}

/// Asks before files are removed permanently.
fn confirm(found: &[(&String, Found)]) -> Result<(), Failure> {
    let names: Vec<_> = found.iter().map(|(_, file)| escaped(&file.name)).collect();
    let question = format!(
        "Remove {} permanently, with all versions? Nobody can recover it. [y/N]",
        names.join(", ")
    );
    match ask(&question)?.as_deref() {
        Some("y" | "Y" | "yes") => Ok(()),
        Some(_) => Err(Failure::new(Exit::Refused, "nothing was removed")),
        None => Err(
            Failure::usage("--purge asks first, and there is no terminal")
                .next("--yes removes without asking"),
        ),
    }
}
