//! The disk operations that durability relies on.
//!
//! A name becomes visible by an atomic rename of a file that is already on the disk, and is
//! acknowledged only after the folder that holds the name has been synchronised as well.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// The extension of files in progress. A write whose file still has it was never acknowledged.
pub(crate) const TEMPORARY: &str = "tmp";

/// Creates a folder and its parents, readable by this user only.
pub(crate) fn create_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// Creates a file that must not exist yet, readable by this user only.
pub(crate) fn create_private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// Replaces a file atomically: temporary file, fsync, rename.
///
/// The caller synchronises the folder once, with [`sync_dir`], for all its changes there.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(TEMPORARY);
    let temporary = Path::new(&name);
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = create_private_file(temporary)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    drop(file);
    if let Err(error) = written.and_then(|()| fs::rename(temporary, path)) {
        // Best effort: the next start removes leftovers.
        let _ = fs::remove_file(temporary);
        return Err(error);
    }
    Ok(())
}

/// Makes the names in a folder durable. Windows neither offers nor needs this.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(path)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Reads a JSON file, whose bytes are wiped. An error names the file and repeats none of its content.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    let json = fs::read(path).map(Zeroizing::new).map_err(at(path))?;
    serde_json::from_slice(&json).map_err(|error| {
        let (path, line, column) = (path.display(), error.line(), error.column());
        let message = format!("{path}: not readable from line {line}, column {column}");
        io::Error::new(io::ErrorKind::InvalidData, message)
    })
}

/// Names the file or folder of an error.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Removes a file, if it exists.
pub(crate) fn remove_if_present(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
