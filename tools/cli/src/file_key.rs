//! The key of a session file: where it goes, and where it comes from. It is never an argument.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, IsTerminal, Read, Write},
    path::{Path, PathBuf},
};

use caas_crypto::ContentKey;
use serde_json::Value;
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::{
    blocking::blocking,
    connection::variable,
    destination::{Destination, folder, is_dash, sync_folder},
    failure::{Exit, Failure},
    output::Output,
};

/// Has the key for `caas decrypt`.
pub(crate) const VARIABLE: &str = "CAAS_FILE_KEY";

/// More than a key and a newline.
const MAX_KEY_FILE: u64 = 128;

/// Where the key of a new file goes.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// To this new file.
    File(PathBuf),
    /// To standard output.
    Stdout,
    /// To the terminal, because standard output has the encrypted file.
    Terminal,
}

impl Delivery {
    /// Refuses before any work whatever would lose the key.
    pub(crate) fn choose(
        key_file: Option<PathBuf>,
        destination: &Destination,
    ) -> Result<Self, Failure> {
        let Some(path) = key_file else {
            return match destination {
                Destination::Stdout if io::stderr().is_terminal() => Ok(Self::Terminal),
                Destination::Stdout => Err(lost("standard output has the encrypted file")),
                Destination::File { .. } if discards_output() => {
                    Err(lost("standard output is discarded"))
                }
                Destination::File { .. } => Ok(Self::Stdout),
            };
        };
        if is_dash(&path) {
            return Err(Failure::usage("--key-file needs the name of a file"));
        }
        let resolved = resolve(&path)?;
        if let Destination::File { path: other, .. } = destination
            && resolve(other)? == resolved
        {
            return Err(Failure::usage("--key-file is the encrypted file"));
        }
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::File(path)),
            Err(error) => Err(Failure::file(&path, &error)),
            Ok(_) => Err(exists(&path)),
        }
    }

    /// Hands the key over, for good.
    pub(crate) fn deliver(
        &self,
        key: &ContentKey,
        file: &str,
        output: &Output,
    ) -> Result<(), Failure> {
        let key = key.to_base64url();
        match self {
            Self::File(path) => write_new(path, &key),
            Self::Stdout => {
                let line = match output.is_json() {
                    true => json(file, &key),
                    false => [&*key, "\n"].concat().into(),
                };
                print(&mut io::stdout().lock(), &line)
            }
            Self::Terminal => print(&mut io::stderr(), &["Key: ", &*key, "\n"].concat().into()),
        }
    }

    /// Takes a delivered key back, as far as that is possible, because its file was not written.
    pub(crate) fn take_back(&self) {
        if let Self::File(path) = self {
            let _ = fs::remove_file(path);
        }
    }

    /// The file that has the key.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Stdout | Self::Terminal => None,
        }
    }
}

/// Reads the key of a file: from this file, else the environment, else the terminal.
pub(crate) async fn read(key_file: Option<PathBuf>) -> Result<ContentKey, Failure> {
    let (text, source) = match key_file {
        Some(path) => (read_file(&path)?, path.display().to_string()),
        None => match variable(VARIABLE)? {
            Some(text) => (text, VARIABLE.to_owned()),
            None => (prompt().await?, "the key".to_owned()),
        },
    };
    text.trim_ascii().parse().map_err(|_| {
        Failure::usage("this is not a key").about(source).next(
            "a key has 43 characters: letters, digits, `-` and `_`, as `caas encrypt` printed it",
        )
    })
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::with_capacity(MAX_KEY_FILE as usize + 1));
    let read = File::open(path).and_then(|file| file.take(MAX_KEY_FILE).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(text),
        // Not UTF-8, and therefore no key.
        Err(error) if error.kind() == ErrorKind::InvalidData => Ok(Zeroizing::default()),
        Err(error) => Err(Failure::file(path, &error)),
    }
}

async fn prompt() -> Result<Zeroizing<String>, Failure> {
    if !io::stderr().is_terminal() {
        return Err(Failure::usage("there is no key")
            .next(format!("name its file with --key-file, or set {VARIABLE}")));
    }
    let prompt = || rpassword::prompt_password("Key (not shown): ").map(Zeroizing::new);
    let read = blocking(prompt).await?;
    read.map_err(|error| Failure::local("the key cannot be read", &error))
}

/// Writes a file with mode 0600 that did not exist, whole or not at all.
fn write_new(path: &Path, key: &str) -> Result<(), Failure> {
    let write = || {
        let mut file = NamedTempFile::new_in(folder(path))?;
        file.write_all(key.as_bytes())?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path)?;
        io::Result::Ok(())
    };
    write().map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => Failure::file(path, &error),
    })?;
    sync_folder(path);
    Ok(())
}

/// Writes a key without leaving copies in a buffer.
fn print(out: &mut impl Write, line: &Zeroizing<String>) -> Result<(), Failure> {
    let written = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| {
        Failure::local("the key cannot be printed", &error)
            .next("nothing was encrypted; --key-file FILE writes the key to a file")
    })
}

fn json(file: &str, key: &str) -> Zeroizing<String> {
    let file = Value::from(file).to_string();
    let line = ["{\"file\":", &file, ",\"key\":\"", key, "\"}\n"].concat();
    line.into()
}

fn lost(why: &str) -> Failure {
    Failure::usage(format!("the key would be lost: {why}"))
        .next("--key-file FILE writes the key to a file")
}

fn exists(path: &Path) -> Failure {
    Failure::new(
        Exit::Refused,
        "this file exists, and may be the key of another file",
    )
    .about(path.display())
    .next("choose another name with --key-file")
}

/// The path without links in its folder, to compare it.
fn resolve(path: &Path) -> Result<PathBuf, Failure> {
    let name = path
        .file_name()
        .ok_or_else(|| Failure::usage("this is not the name of a file").about(path.display()))?;
    let folder = folder(path);
    let resolved = fs::canonicalize(folder).map_err(|error| Failure::file(folder, &error))?;
    Ok(resolved.join(name))
}

/// Whether standard output is `/dev/null`, or closed: Rust opens `/dev/null` in its place.
#[cfg(unix)]
fn discards_output() -> bool {
    use std::os::{fd::AsFd, unix::fs::MetadataExt};

    let device = |file: io::Result<File>| {
        let metadata = file.and_then(|file| file.metadata());
        metadata.ok().map(|metadata| metadata.rdev())
    };
    let stdout = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    match (device(stdout), device(File::open("/dev/null"))) {
        (Some(stdout), Some(null)) => stdout == null,
        _ => false,
    }
}

#[cfg(not(unix))]
fn discards_output() -> bool {
    false
}
