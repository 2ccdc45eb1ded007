//! Reads, works and writes at the same time, in constant memory.

use std::{
    fs,
    io::{self, ErrorKind, Read, Write},
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use crate::{destination::is_dash, failure::Failure};

/// Length of a buffer in bytes.
const BUFFER: usize = 1 << 20;

/// Buffers that are read, worked on and written.
const BUFFERS: usize = 4;

/// A file, or standard input.
pub(crate) struct Source {
    reader: Box<dyn Read + Send>,
    path: PathBuf,
    len: Option<u64>,
}

impl Source {
    /// Opens a file; `-` is standard input.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if is_dash(path) {
            return Ok(Self {
                reader: Box::new(io::stdin()),
                path: "standard input".into(),
                len: None,
            });
        }
        let open = || {
            let file = fs::File::open(path)?;
            let metadata = file.metadata()?;
            match metadata.is_dir() {
                true => Err(ErrorKind::IsADirectory.into()),
                false => Ok((file, metadata)),
            }
        };
        let (file, metadata) = open().map_err(|error| Failure::file(path, &error))?;
        Ok(Self {
            reader: Box::new(file),
            path: path.to_owned(),
            len: metadata.is_file().then_some(metadata.len()),
        })
    }

    /// Its name, for people.
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Its length in bytes, if it is known before it is read.
    pub(crate) fn len(&self) -> Option<u64> {
        self.len
    }

    /// Reads up to `len` bytes; fewer only at the end.
    pub(crate) fn read(&mut self, buffer: &mut Vec<u8>, len: usize) -> Result<(), Failure> {
        fill(&mut self.reader, buffer, len).map_err(|error| Failure::file(&self.path, &error))
    }
}

/// Why a pump stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The source cannot be read, or the work failed.
    Failure(Failure),
    /// The destination cannot be written.
    NotWritten(io::Error),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Stop {
    pub(crate) fn into_failure(self, not_written: impl FnOnce(&io::Error) -> Failure) -> Failure {
        match self {
            Self::Failure(failure) => failure,
            Self::NotWritten(error) => not_written(&error),
        }
    }
}

/// Passes the source through `work`, buffer by buffer, to the destination, and returns the
/// destination. `work` may replace a buffer by another.
pub(crate) fn pump<W: Write + Send + 'static>(
    mut source: Source,
    mut destination: W,
    mut work: impl FnMut(&mut Vec<u8>) -> Result<(), Failure>,
) -> Result<W, Stop> {
    let (give_back, empty) = mpsc::channel();
    for _ in 0..BUFFERS {
        let _ = give_back.send(Vec::with_capacity(BUFFER));
    }
    let (pass_on, full) = mpsc::sync_channel(BUFFERS);
    // Nobody waits for this thread, because standard input may never end.
    thread::spawn(move || {
        for mut buffer in empty {
            let read = source.read(&mut buffer, BUFFER).map(|()| buffer);
            let ended = !read.as_ref().is_ok_and(|buffer| buffer.len() == BUFFER);
            if pass_on.send(read).is_err() || ended {
                return;
            }
        }
    });
    let (write, worked) = mpsc::sync_channel::<Vec<u8>>(BUFFERS);
    let writer = thread::spawn(move || {
        for buffer in worked {
            destination.write_all(&buffer)?;
            let _ = give_back.send(buffer);
        }
        io::Result::Ok(destination)
    });
    for buffer in full {
        let mut buffer = buffer?;
        work(&mut buffer)?;
        if write.send(buffer).is_err() {
            break; // The writer says why.
        }
    }
    drop(write);
    let written = writer.join().unwrap_or_else(|panic| resume_unwind(panic));
    written.map_err(Stop::NotWritten)
}

fn fill(reader: &mut impl Read, buffer: &mut Vec<u8>, len: usize) -> io::Result<()> {
    buffer.resize(len, 0);
    let mut filled = 0;
    while filled < len {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(filled);
    Ok(())
}
