//! `caas ls`.

use clap::Args;
use serde_json::json;

use crate::{
    connection::ConnectionOptions,
    failure::Failure,
    lookup::PAGE,
    output::Output,
    text::{escaped, minute, size},
};

/// List your files
///
/// Prints one name a line, the oldest upload first. Control characters in names are shown escaped; with
/// --json, each line is an object with id, path, name, size and created_at.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  caas ls\n  caas ls -l report")]
pub(crate) struct Ls {
    /// Only files whose name or path begins like this
    prefix: Option<String>,

    /// Print size, time, ID and path
    #[arg(long, short)]
    long: bool,
}

impl Ls {
    pub(crate) async fn run(
        self,
        connection: &ConnectionOptions,
        output: &Output,
    ) -> Result<(), Failure> {
        let client = connection.client()?;
        let prefix = self.prefix.as_deref().unwrap_or_default();
        let mut cursor = None;
        let mut is_empty = true;
        loop {
            let page = client.list(PAGE, cursor.as_deref()).await?;
            for file in &page.files {
                if !file.name.starts_with(prefix) && !file.path.starts_with(prefix) {
                    continue;
                }
                is_empty = false;
                let line = match self.long {
                    true => escaped(&format!(
                        "{:>11}  {}  {}  {}",
                        size(file.size),
                        minute(&file.created_at),
                        file.id,
                        file.path
                    )),
                    false => escaped(&file.name),
                };
                output.result(&line, &json!(file))?;
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        if is_empty {
            output.note(match prefix {
                "" => "There are no files. `caas put FILE` stores one.",
                _ => "No file has a name or a path that begins like this.",
            });
        }
        Ok(())
    }
}
