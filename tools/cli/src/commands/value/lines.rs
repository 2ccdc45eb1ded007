//! Lines that may be secrets. What they were read into is wiped.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

use caas_client::Datum;
use zeroize::Zeroizing;

use crate::{failure::Failure, output::ask_secretly};

/// More than the service takes in one request. In bytes.
const LONGEST: usize = 1 << 20;

/// Larger than the buffer of standard input, which therefore stays empty. In bytes.
const BUFFER: usize = 64 << 10;

/// Whether `-` stands for standard input here.
pub(super) fn is_standard_input(file: impl AsRef<Path>) -> bool {
    file.as_ref() == Path::new("-")
}

/// The lines of a file or of standard input.
pub(super) struct Lines {
    source: Box<dyn Read + Send>,
    /// For messages.
    name: String,
    buffer: Zeroizing<Vec<u8>>,
    /// What of the buffer is not read yet.
    left: std::ops::Range<usize>,
    number: u64,
    /// A terminal would wait for more after its end.
    ended: bool,
}

impl Lines {
    /// Those of this file; of standard input without one, or if it is `-`.
    pub(super) fn open(file: Option<PathBuf>) -> Result<Self, Failure> {
        match file.filter(|file| !is_standard_input(file)) {
            None => Ok(Self::new(
                Box::new(io::stdin()),
                "standard input".to_owned(),
            )),
            Some(file) => {
                let source = File::open(&file).map_err(|error| Failure::file(&file, &error))?;
                Ok(Self::new(Box::new(source), file.display().to_string()))
            }
        }
    }

    fn new(source: Box<dyn Read + Send>, name: String) -> Self {
        Self {
            source,
            name,
            buffer: Zeroizing::new(vec![0; BUFFER]),
            left: 0..0,
            number: 0,
            ended: false,
        }
    }

    /// The next line, without its end.
    pub(super) fn next(&mut self) -> Result<Option<Datum>, Failure> {
        self.number += 1;
        let mut line = Wiped::default();
        loop {
            if self.left.is_empty() && !self.ended {
                self.left = 0..self.fill()?;
                self.ended = self.left.is_empty();
            }
            if self.ended && line.0.is_empty() {
                return Ok(None);
            }
            let left = &self.buffer[self.left.clone()];
            let end = left.iter().position(|byte| *byte == b'\n');
            line.push(&left[..end.unwrap_or(left.len())]);
            self.left.start += end.map_or(left.len(), |end| end + 1);
            if line.0.len() > LONGEST {
                let what = format!("line {} is longer than 1 MB", self.number);
                return Err(Failure::local(&self.name, &what));
            }
            if end.is_some() || self.ended {
                return self.text(line).map(Some);
            }
        }
    }

    fn fill(&mut self) -> Result<usize, Failure> {
        loop {
            match self.source.read(&mut self.buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read.map_err(|error| Failure::local(&self.name, &error)),
            }
        }
    }

    fn text(&self, mut line: Wiped) -> Result<Datum, Failure> {
        if line.0.last() == Some(&b'\r') {
            line.0.pop();
        }
        String::from_utf8(std::mem::take(&mut *line.0))
            .map(Zeroizing::new)
            .map_err(|error| {
                drop(Zeroizing::new(error.into_bytes()));
                let what = format!("line {} is not UTF-8", self.number);
                Failure::local(&self.name, &what)
            })
    }
}

/// Grows without leaving a copy behind.
#[derive(Default)]
struct Wiped(Zeroizing<Vec<u8>>);

impl Wiped {
    fn push(&mut self, bytes: &[u8]) {
        let len = self.0.len() + bytes.len();
        if len > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(len.max(2 * self.0.capacity())));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }
}

/// Data that somebody enters, unseen.
pub(super) struct Prompts {
    asked: usize,
    all: usize,
}

impl Prompts {
    pub(super) fn new(all: usize) -> Self {
        Self { asked: 0, all }
    }

    pub(super) fn next(&mut self) -> Result<Option<Datum>, Failure> {
        if self.asked == self.all {
            return Ok(None);
        }
        self.asked += 1;
        let question = match self.all {
            1 => "Datum (not shown): ".to_owned(),
            all => format!("Datum {} of {all} (not shown): ", self.asked),
        };
        ask_secretly(&question).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a few bytes at a time.
    struct Slow(io::Cursor<Vec<u8>>, usize);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = self.1.min(buffer.len());
            self.0.read(&mut buffer[..len])
        }
    }

    fn lines(text: &[u8], at_a_time: usize) -> Result<Vec<String>, String> {
        let source = Slow(io::Cursor::new(text.to_vec()), at_a_time);
        let mut lines = Lines::new(Box::new(source), "here".to_owned());
        let mut read = Vec::new();
        while let Some(line) = lines.next().map_err(|error| error.message().to_owned())? {
            read.push(line.to_string());
        }
        Ok(read)
    }

    #[test]
    fn lines_are_what_line_feeds_divide() {
        for (text, expected) in [
            ("", &[][..]),
            ("\n", &[""]),
            ("a", &["a"]),
            ("a\n", &["a"]),
            ("a\r\n\r\nb\n\nc", &["a", "", "b", "", "c"]),
            ("a\rb\n", &["a\rb"]),
            ("é\nü", &["é", "ü"]),
        ] {
            for at_a_time in [1, 2, 3, BUFFER] {
                let read = lines(text.as_bytes(), at_a_time);
                assert_eq!(read.unwrap(), expected, "{text:?} by {at_a_time}");
            }
        }
        let long = "x".repeat(BUFFER + 3);
        let text = format!("{long}\n{long}\n");
        assert_eq!(lines(text.as_bytes(), BUFFER).unwrap(), [&*long, &*long]);
    }

    #[test]
    fn what_is_no_line_is_named_and_not_quoted() {
        for (text, expected) in [
            (&b"a\nCANARY\xFF\n"[..], "here: line 2 is not UTF-8"),
            (&vec![b'x'; LONGEST + 1], "here: line 1 is longer than 1 MB"),
        ] {
            assert_eq!(lines(text, BUFFER).unwrap_err(), expected);
        }
    }
}
