//! `caas s3 get`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Expected, S3Url, connect, no_header, not_opened, unavailable, watch};
use crate::{
    destination::Destination,
    failure::{Exit, Failure},
    output::Output,
};

const EXAMPLES: &str = "\
Examples:
  caas s3 get s3://reports/2026/q3.pdf
  caas s3 get s3://reports/2026/q3.pdf -o - --context department=sales | less";

/// Fetch and decrypt an object
///
/// The file appears after all of it has been verified.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Get {
    /// The object, as s3://BUCKET/KEY
    url: S3Url,

    /// The file, the last part of KEY if absent; `-` writes to standard output
    #[arg(long = "output", short, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Replace the file if it exists
    #[arg(long, short)]
    force: bool,

    #[command(flatten)]
    expected: Expected,
}

impl Get {
    pub(crate) async fn run(self, output: &Output) -> Result<(), Failure> {
        super::context(&self.expected.context)?;
        let S3Url { bucket, key } = &self.url;
        let name = key.rsplit('/').next().unwrap_or_default();
        let out = match self.out {
            Some(out) => out,
            None if matches!(name, "" | "." | "..") || name.contains('\\') => {
                return Err(Failure::usage(format!("{} names no file", self.url))
                    .next("name the object as s3://BUCKET/KEY, and the file with -o"));
            }
            None => name.into(),
        };
        let destination = Destination::new(out, self.force)?;
        let vault = self.expected.vault(&connect().await?, bucket);
        let get = async {
            let info = vault.head_at(key).await.map_err(unavailable)?;
            let info =
                info.ok_or_else(|| Failure::new(Exit::Refused, "there is no such object"))?;
            let address = self.expected.address(key, &info);
            let address = address.map_err(|error| no_header(&error))?;

            let spool = destination.spool()?;
            let mut file = tokio::fs::File::from_std(spool.file()?);
            let opening = vault.open_at(&address, &mut file);
            let of = (name, Some(info.size()));
            let opened = watch(output, of, spool.file()?, opening).await;
            opened.map_err(not_opened)?;
            Ok(spool)
        };
        let spool = get.await;
        let spool = spool.map_err(|failure: Failure| failure.about(&self.url))?;
        match destination {
            Destination::Stdout => spool.publish().await,
            Destination::File { .. } => {
                spool.sync().await?;
                spool.publish().await?;
                let name = destination.name();
                output.result(&name, &json!({"file": name, "url": self.url.to_string()}))
            }
        }
    }
}
