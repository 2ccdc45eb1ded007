//! `caas put`.

use std::{
    fs,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    sync::Arc,
};

use caas_client::{Client, Mode, Spool, Upload, UploadError, Uploaded};
use clap::{Args, ValueEnum};
use serde_json::json;
use tokio::task::{JoinSet, spawn_blocking};

use crate::{
    connection::ConnectionOptions,
    failure::{Exit, Failure},
    lookup::path_of,
    output::Output,
    profiles::journals,
    progress::Bars,
    tally::Tally,
    text::escaped,
};

/// Files in transfer at a time. Of those above 64 MiB the client sends one, over four connections.
const AT_A_TIME: usize = 4;

/// What stands for standard input.
const STDIN: &str = "-";

/// Encrypt files and store them
///
/// Prints one line a file: its ID and its name. Files are encrypted on this machine, unless --mode
/// says otherwise. The service has no folders: each file is stored under its own name, and several
/// files may have the same one.
///
/// After an interruption, the same command goes on with a file above 64 MiB where it was. What comes
/// from standard input begins anew: it is kept, encrypted, in a temporary file (in TMPDIR), and the key
/// ends with the command.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  caas put report.txt film.mp4\n  caas put -r photos\n  tar c photos | caas put - --name photos.tar"
)]
pub(crate) struct Put {
    /// Files and, with -r, folders; `-` reads standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Name to store the file under; for standard input, the default is `stdin`
    #[arg(long)]
    name: Option<String>,

    /// Who encrypts
    #[arg(long, value_enum, default_value = "client")]
    mode: Encrypting,

    /// Store all files in folders and in the folders in them
    #[arg(long, short)]
    recursive: bool,

    /// Content type of the files
    #[arg(long, value_name = "TYPE", default_value = "application/octet-stream")]
    content_type: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Encrypting {
    /// This machine, with a key from the service. Up to 64 GiB
    Client,
    /// The service, some seconds later; the file is readable then. Up to 5 GB
    Inbox,
}

/// What is uploaded as one file.
#[derive(Debug)]
struct Source {
    /// As the user names it.
    path: PathBuf,
    size: u64,
    spool: Option<Spool>,
}

impl Put {
    pub(crate) async fn run(
        self,
        connection: &ConnectionOptions,
        output: &Output,
    ) -> Result<(), Failure> {
        self.check()?;
        let client = connection.client()?;
        let journals = journals()?;
        let sources = self.sources(output).await;
        let mut tally = Tally::new(output, sources.len());
        let total = sources.iter().flatten().map(|source| source.size).sum();
        let bars = Arc::new(match sources.len() {
            1 => Bars::one(output),
            _ => Bars::several(output, total),
        });
        let mut sources = sources.into_iter();
        let mut uploads = JoinSet::new();
        loop {
            while uploads.len() < AT_A_TIME
                && let Some(source) = sources.next()
            {
                match source {
                    Ok(source) => {
                        let upload = self.upload(&source).resume_in(&journals);
                        let (client, bars) = (client.clone(), Arc::clone(&bars));
                        uploads.spawn(async move {
                            let uploaded = store(&client, &upload, &source, &bars).await;
                            (source, uploaded)
                        });
                    }
                    Err(failure) => bars.suspend(|| tally.failed(failure)),
                }
            }
            let Some(ended) = uploads.join_next().await else {
                break;
            };
            let stored = match ended {
                Ok((source, Ok(uploaded))) => {
                    bars.suspend(|| self.print(&source, &uploaded, output))
                }
                Ok((source, Err(error))) => Err(failed(&source, error)),
                Err(error) => Err(Failure::local("an upload ended early", &error)),
            };
            match stored {
                // Nobody reads the results any more; the files are stored all the same.
                Err(closed) if closed.exit() == Exit::Closed => {}
                Err(failure) => bars.suspend(|| tally.failed(failure)),
                Ok(()) => {}
            }
        }
        if matches!(self.mode, Encrypting::Inbox) {
            output.note("The service encrypts within seconds; then it lists what was stored.");
        }
        tally.end()
    }

    /// How to go on after Ctrl-C.
    pub(crate) fn after_interruption(&self) -> &'static str {
        match (&self.files[..], self.recursive) {
            ([path], _) if path == Path::new(STDIN) => {
                "nothing was stored; what comes from standard input has to be sent again"
            }
            ([_], false) => "run the same command again to go on",
            _ => "run the same command again, without the files whose IDs were printed, to go on",
        }
    }

    fn check(&self) -> Result<(), Failure> {
        let is_stdin = |path: &&PathBuf| path.as_path() == Path::new(STDIN);
        if self.files.iter().filter(is_stdin).count() > 1 {
            return Err(Failure::usage("standard input can be read once"));
        }
        let Some(name) = &self.name else {
            return Ok(());
        };
        if self.files.len() > 1 || self.files.iter().any(|path| path.is_dir()) {
            return Err(Failure::usage("--name is for one file"));
        }
        match name.contains(['/', '\\']) {
            true => Err(Failure::usage(
                "a name has no folders, and neither / nor \\",
            )),
            false => Ok(()),
        }
    }

    /// All that is to be uploaded, and why some of it cannot be.
    async fn sources(&self, output: &Output) -> Vec<Result<Source, Failure>> {
        let mut sources = Vec::new();
        for path in &self.files {
            if path == Path::new(STDIN) {
                sources.push(spooled(output).await);
                continue;
            }
            match fs::metadata(path) {
                Err(error) => sources.push(Err(Failure::file(path, &error))),
                Ok(metadata) if metadata.is_file() => sources.push(Ok(Source {
                    path: path.clone(),
                    size: metadata.len(),
                    spool: None,
                })),
                Ok(metadata) if metadata.is_dir() && self.recursive => {
                    let before = sources.len();
                    walk(path, &mut sources, output);
                    if sources.len() == before {
                        let path = escaped(&path.to_string_lossy());
                        output.note(&format!("{path} has no files."));
                    }
                }
                Ok(metadata) => {
                    let (what, next) = match metadata.is_dir() {
                        true => ("a folder", "-r stores the files in it"),
                        false => (
                            "not a regular file",
                            "`… | caas put -` stores what it gives",
                        ),
                    };
                    let failure = Failure::new(Exit::Refused, format!("this is {what}"));
                    sources.push(Err(failure.about(path.display()).next(next)));
                }
            }
        }
        sources
    }

    fn upload(&self, source: &Source) -> Upload {
        let mode = match self.mode {
            Encrypting::Client => Mode::Client,
            Encrypting::Inbox => Mode::Inbox,
        };
        let upload = match (&source.spool, &self.name) {
            (Some(spool), name) => {
                Upload::spooled(spool.clone(), name.as_deref().unwrap_or("stdin"), mode)
            }
            (None, Some(name)) => Upload::new(&source.path, mode).name(name),
            (None, None) => Upload::new(&source.path, mode),
        };
        upload.content_type(&self.content_type)
    }

    fn print(&self, source: &Source, uploaded: &Uploaded, output: &Output) -> Result<(), Failure> {
        let Uploaded { id, size } = uploaded;
        // As the service has stored it.
        let path = path_of(id).unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default();
        let object = json!({
            "id": id,
            "name": name,
            "size": size,
            "path": source.path.to_string_lossy(),
        });
        output.result(&escaped(&format!("{id}  {name}")), &object)
    }
}

async fn store(
    client: &Client,
    upload: &Upload,
    source: &Source,
    bars: &Bars,
) -> Result<Uploaded, UploadError> {
    let mut bar = bars.bar(&source.shown());
    let progress = |progress: caas_client::Progress| {
        bars.show(&mut bar, progress.done, progress.total);
    };
    client.upload(upload, progress).await
}

impl Source {
    fn shown(&self) -> String {
        match &self.spool {
            Some(_) => "standard input".to_owned(),
            None => escaped(&self.path.to_string_lossy()),
        }
    }
}

fn failed(source: &Source, error: UploadError) -> Failure {
    let next = match (&error, &source.spool) {
        (UploadError::InProgress, _) => Some("wait until the other upload of this file has ended"),
        (UploadError::Changed, _) => Some("store it again when nothing writes to it"),
        (UploadError::Unavailable, Some(_)) => Some("send the same again"),
        (UploadError::Unavailable, None) => Some("run the same command again to go on"),
        _ => None,
    };
    let failure = Failure::from(error).about(source.shown());
    match next {
        Some(next) => failure.or_next(next),
        None => failure,
    }
}

/// Adds all files in a folder, in the order of their names. Links are not followed.
fn walk(folder: &Path, sources: &mut Vec<Result<Source, Failure>>, output: &Output) {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => return sources.push(Err(Failure::file(folder, &error))),
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        match entry.metadata() {
            Err(error) => sources.push(Err(Failure::file(&path, &error))),
            Ok(metadata) if metadata.is_dir() => walk(&path, sources, output),
            Ok(metadata) if metadata.is_file() => sources.push(Ok(Source {
                path,
                size: metadata.len(),
                spool: None,
            })),
            Ok(_) => {
                let path = escaped(&path.to_string_lossy());
                output.note(&format!("{path} is left out: it is not a regular file."));
            }
        }
    }
}

async fn spooled(output: &Output) -> Result<Source, Failure> {
    if io::stdin().is_terminal() {
        output.note("Reading from the terminal, until Ctrl-D.");
    }
    let spool = spawn_blocking(|| Spool::read(io::stdin().lock())).await;
    let spool = spool.unwrap_or_else(|error| Err(error.into()));
    let spool = spool.map_err(|error| {
        Failure::local("standard input cannot be kept", &error)
            .next("TMPDIR can name a folder with more room")
    })?;
    Ok(Source {
        path: STDIN.into(),
        size: spool.size(),
        spool: Some(spool),
    })
}
