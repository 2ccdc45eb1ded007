//! The audit trail on this machine: a file a day in the data folder.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::PathBuf,
};

use time::{Date, OffsetDateTime};

/// The files `{year}-{month}-{day}.jsonl` in a folder, by UTC, for this user only. Lines are appended.
/// A flush is durable; every line survives the end of the process.
pub(crate) struct AuditFiles {
    folder: PathBuf,
    file: Option<(Date, File)>,
}

impl AuditFiles {
    /// The files in this folder, which exists.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, file: None }
    }

    fn take_todays(&mut self) -> io::Result<(Date, File)> {
        let today = OffsetDateTime::now_utc().date();
        match self.file.take().filter(|(date, _)| *date == today) {
            Some(file) => Ok(file),
            None => Ok((today, self.open(today)?)),
        }
    }

    fn open(&self, date: Date) -> io::Result<File> {
        let path = self.folder.join(format!("{date}.jsonl"));
        let mut options = OpenOptions::new();
        options.create(true).read(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        // A full disk or a power failure may have cut the last line; the next one must not join it.
        let mut last = [b'\n'];
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
        #[cfg(unix)]
        File::open(&self.folder)?.sync_all()?;
        Ok(file)
    }
}

impl Write for AuditFiles {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let (date, mut file) = self.take_todays()?;
        // If this fails, the file is opened again, which ends a cut line.
        file.write_all(line)?;
        self.file = Some((date, file));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match &self.file {
            Some((_, file)) => file.sync_data(),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn lines_are_appended_and_a_cut_one_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let files = || AuditFiles::new(folder.path().to_owned());
        let mut first = files();
        first.write_all(b"one\n").unwrap();
        first.write_all(b"cu").unwrap();
        first.flush().unwrap();
        files().write_all(b"two\n").unwrap();
        let mut text = String::new();
        for entry in fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                let mode = entry.metadata().unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600);
            }
            assert!(entry.file_name().to_str().unwrap().ends_with(".jsonl"));
            text += &fs::read_to_string(entry.path()).unwrap();
        }
        assert_eq!(text, "one\ncu\ntwo\n");
    }

    /// The disk is full in the middle of a line.
    #[test]
    fn a_line_that_a_failed_write_cut_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = AuditFiles::new(folder.path().to_owned());
        files.write_all(b"one\ncu").unwrap();
        let (date, file) = files.file.as_mut().unwrap();
        let path = folder.path().join(format!("{date}.jsonl"));
        *file = File::open(&path).unwrap(); // not writable
        files.write_all(b"t\n").unwrap_err();
        files.write_all(b"two\n").unwrap();
        files.write_all(b"three\n").unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), "one\ncu\ntwo\nthree\n");
    }

    #[test]
    fn a_new_day_has_a_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = AuditFiles::new(folder.path().to_owned());
        files.write_all(b"one\n").unwrap();
        let (date, _) = files.file.as_mut().unwrap();
        *date = date.previous_day().unwrap();
        fs::rename(
            folder
                .path()
                .join(format!("{}.jsonl", date.next_day().unwrap())),
            folder.path().join(format!("{date}.jsonl")),
        )
        .unwrap();
        files.write_all(b"two\n").unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
