//! `caas info`.

use clap::Args;
use serde_json::json;

use crate::{
    connection::ConnectionOptions,
    failure::Failure,
    lookup::{find, path_of},
    output::Output,
    text::{escaped, size},
};

/// Describe a file
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  caas info report.txt")]
pub(crate) struct Info {
    /// The file's ID, path or name
    #[arg(value_name = "ID|NAME")]
    file: String,
}

impl Info {
    pub(crate) async fn run(
        self,
        connection: &ConnectionOptions,
        output: &Output,
    ) -> Result<(), Failure> {
        let client = connection.client()?;
        let id = find(&client, output, &self.file).await?.id;
        let about = |failure: Failure| failure.about(escaped(&self.file));
        let info = client.info(&id).await;
        let info = info.map_err(|error| about(error.into()))?;
        let path = path_of(&id);
        let text = [
            ("Name", escaped(&info.name)),
            ("ID", escaped(&id)),
            ("Path", escaped(path.as_deref().unwrap_or("unknown"))),
            ("Size", format!("{} ({} bytes)", size(info.size), info.size)),
            ("Content type", escaped(&info.content_type)),
            ("ETag", escaped(&info.etag)),
        ];
        let lines: Vec<_> = text
            .iter()
            .map(|(label, value)| format!("{:<14}{value}", format!("{label}:")))
            .collect();
        output.result(
            &lines.join("\n"),
            &json!({
                "id": id,
                "path": path,
                "name": info.name,
                "size": info.size,
                "content_type": info.content_type,
                "etag": info.etag,
            }),
        )
    }
}
