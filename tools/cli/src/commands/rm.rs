//! `caas rm`.

use caas_client::Client;
use clap::Args;
use serde_json::json;

use crate::{
    connection::ConnectionOptions,
    failure::{Exit, Failure},
    lookup::{Found, absent, as_id, search},
    output::{Output, ask},
    tally::Tally,
    text::escaped,
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
            if let Err(error) = client.delete(&id, self.purge).await {
                tally.failed(Failure::from(error).about(escaped(wanted)));
                continue;
            }
            let shown = escaped(&name);
            let line = match self.purge {
                true => format!("Removed {shown} permanently."),
                false => format!("Deleted {shown}. The operator can recover it for a while: {id}"),
            };
            let object = json!({"id": id, "name": name, "purged": self.purge});
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
