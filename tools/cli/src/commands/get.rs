//! `caas get`.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use caas_client::{Client, DownloadError, Downloaded};
use clap::Args;
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::{
    connection::ConnectionOptions,
    failure::{Exit, Failure},
    lookup::{Found, find},
    output::Output,
    progress::Bars,
    text::{escaped, file_name},
};

/// What to do when there is no room for a temporary file.
const ELSEWHERE: &str = "TMPDIR can name a folder with more room";

/// What stands for standard output.
const STDOUT: &str = "-";

/// Fetch a file, verify and decrypt it
///
/// Writes it under its own name to the current folder, and never over another file, except with --force.
/// With -o, a file of that name is replaced; in a folder, the file gets its own name. Prints the path of
/// the file.
///
/// Nothing appears before all of it has been verified. Until then, what has arrived is in FILE.part,
/// decrypted but not verified, and after an interruption the same command goes on from there. `-o -` keeps
/// the verified file in TMPDIR while it writes it to standard output.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  caas get report.txt\n  caas get report.txt -o copy.txt\n  caas get photos.tar -o - | tar x"
)]
pub(crate) struct Get {
    /// The file's ID, path or name
    #[arg(value_name = "ID|NAME")]
    file: String,

    /// Write to this file, or with `-` to standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Replace a file of the same name
    #[arg(long, short)]
    force: bool,

    /// Refused: see the error
    #[arg(long, value_name = "A-B", hide = true)]
    range: Option<String>,
}

impl Get {
    pub(crate) async fn run(
        self,
        connection: &ConnectionOptions,
        output: &Output,
    ) -> Result<(), Failure> {
        if self.range.is_some() {
            return Err(Failure::usage(
                "--range is impossible: nothing of a file is released before all of it is verified",
            )
            .next("take it from the whole: caas get … -o - | tail -c +START | head -c LENGTH"));
        }
        if self.is_to_stdout() && output.is_json() {
            return Err(Failure::usage(
                "--json and `-o -` would mix on standard output",
            ));
        }
        let client = connection.client()?;
        let file = find(&client, output, &self.file).await?;
        let bars = Bars::one(output);
        if self.is_to_stdout() {
            return to_stdout(&client, &file, &bars).await;
        }
        let destination = self.destination(&file.name)?;
        let downloaded = download(
            &client,
            &file,
            &destination,
            "-o FILE writes elsewhere",
            &bars,
        );
        let downloaded = downloaded.await?;
        let path = destination.to_string_lossy();
        output.result(
            &escaped(&path),
            &json!({
                "id": file.id,
                "name": downloaded.name,
                "size": downloaded.size,
                "content_type": downloaded.content_type,
                "path": path,
            }),
        )
    }

    /// How to go on after Ctrl-C.
    pub(crate) fn after_interruption(&self) -> &'static str {
        match self.is_to_stdout() {
            true => "run the same command again: it begins anew",
            false => "run the same command again to go on: what has arrived is in FILE.part",
        }
    }

    fn is_to_stdout(&self) -> bool {
        self.output.as_deref() == Some(Path::new(STDOUT))
    }

    /// Where a file of this name goes.
    fn destination(&self, name: &str) -> Result<PathBuf, Failure> {
        let (path, is_named) = match &self.output {
            Some(folder) if folder.is_dir() => (folder.join(file_name(name)), false),
            // Through a link, as a redirection writes.
            Some(link) if link.is_symlink() => {
                (link.canonicalize().unwrap_or_else(|_| link.clone()), true)
            }
            Some(path) => (path.clone(), true),
            None => (file_name(name).into(), false),
        };
        let refused = |what: &str| Failure::new(Exit::Refused, what).about(path.display());
        match fs::symlink_metadata(&path) {
            Ok(_) if !is_named && !self.force => Err(refused("this file exists already")
                .next("-f replaces it, and -o FILE writes another")),
            Ok(found) if found.is_dir() || (is_named && !found.is_file()) => {
                Err(refused("this is not a regular file")
                    .next("-o FILE writes another, and -o - to standard output"))
            }
            _ => Ok(path),
        }
    }
}

async fn download(
    client: &Client,
    file: &Found,
    destination: &Path,
    elsewhere: &'static str,
    bars: &Bars,
) -> Result<Downloaded, Failure> {
    let mut bar = bars.bar(&escaped(&file.name));
    let progress = |progress: caas_client::Progress| {
        bars.show(&mut bar, progress.done, progress.total);
    };
    let downloaded = client.resume_download(&file.id, destination, progress);
    downloaded.await.map_err(|error| {
        let next = match &error {
            DownloadError::NotAuthentic => Some("nothing was written; tell the service's operator"),
            DownloadError::Replaced => Some("run the same command again: it begins anew"),
            DownloadError::InProgress => Some("wait until the other download to it has ended"),
            DownloadError::Unavailable => Some("run the same command again to go on"),
            DownloadError::Destination(_) => Some(elsewhere),
            _ => None,
        };
        let about = match &error {
            DownloadError::Destination(_) | DownloadError::InProgress => {
                destination.to_string_lossy().into_owned()
            }
            _ => file.name.clone(),
        };
        let failure = Failure::from(error).about(escaped(&about));
        match next {
            Some(next) => failure.or_next(next),
            None => failure,
        }
    })
}

/// Writes to standard output what has been verified, from a temporary file that only this user can read.
async fn to_stdout(client: &Client, file: &Found, bars: &Bars) -> Result<(), Failure> {
    let cannot_keep = |error| Failure::local("the temporary folder", &error).next(ELSEWHERE);
    let folder = tempfile::Builder::new().prefix("caas-").tempdir();
    let folder = folder.map_err(cannot_keep)?;
    let path = folder.path().join("file");
    download(client, file, &path, ELSEWHERE, bars).await?;
    let mut verified = File::open(&path).map_err(cannot_keep)?;
    // Its name goes now, so that nothing is left whatever happens.
    drop(folder);
    let copied = spawn_blocking(move || {
        let mut out = io::stdout().lock();
        io::copy(&mut verified, &mut out)?;
        out.flush()
    });
    Ok(copied.await.unwrap_or_else(|error| Err(error.into()))?)
}
