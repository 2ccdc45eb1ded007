//! Where a command writes a file: it appears under its name when it is whole, and not before.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, ErrorKind, Seek},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::{
    blocking::blocking,
    failure::{Exit, Failure},
};

/// A file that does not exist yet or may be replaced, or standard output.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    Stdout,
    File { path: PathBuf, replace: bool },
}

/// What is written before it is published: readable by this user alone, and gone if it is dropped.
#[derive(Debug)]
pub(crate) enum Spool {
    /// Without a name, in the system's folder for temporary files.
    Stdout(File),
    /// In the folder of the destination.
    File {
        temporary: NamedTempFile,
        path: PathBuf,
        replace: bool,
    },
}

/// Whether the path stands for standard input or output.
pub(crate) fn is_dash(path: &Path) -> bool {
    path == OsStr::new("-")
}

/// The folder that a file is in.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes the entries of a folder durable, where the file system can.
pub(crate) fn sync_folder(path: &Path) {
    let _ = File::open(folder(path)).and_then(|folder| folder.sync_all());
}

/// A reader that is gone has not read the whole file, unlike one of a result.
fn not_printed(error: &io::Error) -> Failure {
    Failure::local("standard output", error)
}

impl Destination {
    /// Refuses what exists, unless it is a file to `replace`.
    pub(crate) fn new(path: PathBuf, replace: bool) -> Result<Self, Failure> {
        if is_dash(&path) {
            return Ok(Self::Stdout);
        }
        let refused = |why: &str| Err(Failure::local(path.display(), &why));
        match fs::metadata(folder(&path)) {
            Ok(metadata) if !metadata.is_dir() => return refused("its folder is a file"),
            Ok(_) => {}
            Err(error) => return Err(Failure::file(folder(&path), &error)),
        }
        match (fs::symlink_metadata(&path), fs::metadata(&path)) {
            (_, Ok(metadata)) if metadata.is_dir() => refused("this is a folder"),
            (_, Ok(metadata)) if !metadata.is_file() => refused("this is not a regular file")
                .map_err(|failure| failure.next("`-o -` writes to standard output")),
            (Ok(_), _) if !replace => refused("this file exists")
                .map_err(|failure| failure.next("choose another name with -o, or add --force")),
            (Err(error), _) if error.kind() != ErrorKind::NotFound => {
                Err(Failure::file(&path, &error))
            }
            _ => Ok(Self::File { path, replace }),
        }
    }

    /// Its name, for people.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Stdout => "standard output".to_owned(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }

    /// Why it could not be written.
    pub(crate) fn not_written(&self, error: &io::Error) -> Failure {
        match self {
            Self::Stdout => not_printed(error),
            Self::File { path, .. } => Failure::file(path, error),
        }
    }

    /// A place for what is not whole yet.
    pub(crate) fn spool(&self) -> Result<Spool, Failure> {
        let spool = match self.clone() {
            Self::Stdout => tempfile::tempfile().map(Spool::Stdout),
            Self::File { path, replace } => {
                NamedTempFile::new_in(folder(&path)).map(|temporary| Spool::File {
                    temporary,
                    path,
                    replace,
                })
            }
        };
        spool.map_err(|error| self.not_written(&error))
    }
}

impl Spool {
    /// The file to write to.
    pub(crate) fn file(&self) -> Result<File, Failure> {
        let cloned = match self {
            Self::Stdout(file) => file.try_clone(),
            Self::File { temporary, .. } => temporary.as_file().try_clone(),
        };
        cloned.map_err(|error| self.not_written(&error))
    }

    /// Makes what was written durable.
    pub(crate) async fn sync(&self) -> Result<(), Failure> {
        let file = self.file()?;
        let synced = blocking(move || file.sync_all()).await?;
        synced.map_err(|error| self.not_written(&error))
    }

    /// Why it could not be written.
    pub(crate) fn not_written(&self, error: &io::Error) -> Failure {
        match self {
            Self::Stdout(_) => Failure::local("the folder for temporary files", error),
            Self::File { path, .. } => Failure::file(path, error),
        }
    }

    /// Shows what was written. It must be whole and verified.
    pub(crate) async fn publish(self) -> Result<(), Failure> {
        match self {
            Self::Stdout(mut file) => {
                let copied = blocking(move || {
                    file.rewind()?;
                    io::copy(&mut file, &mut io::stdout().lock())
                });
                copied.await?.map_err(|error| not_printed(&error))?;
                Ok(())
            }
            Self::File {
                temporary,
                path,
                replace,
            } => {
                let persisted = match replace {
                    true => temporary.persist(&path),
                    false => temporary.persist_noclobber(&path),
                };
                persisted.map_err(|error| match error.error.kind() {
                    ErrorKind::AlreadyExists => {
                        Failure::new(Exit::Refused, "a file has appeared there meanwhile")
                            .about(path.display())
                    }
                    _ => Failure::file(&path, &error.error),
                })?;
                sync_folder(&path);
                Ok(())
            }
        }
    }
}
