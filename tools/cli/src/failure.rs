//! Why a command failed: what the user reads, and the exit code.

use std::{error::Error, fmt::Display, io, iter, path::Path, process::ExitCode};

use caas_client::{DownloadError, InvalidClient, ServiceError, UploadError};

use crate::text::escaped;

/// An exit code, as `caas --help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The reader of standard output has closed it.
    Closed = 0,
    /// The service refused, or a file here cannot be read or written.
    Refused = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The data are not what was encrypted, or the key is not theirs.
    NotAuthentic = 3,
    /// The service or S3 cannot be reached.
    Network = 4,
    /// Ctrl-C, or SIGTERM.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        (exit as u8).into()
    }
}

/// A failed command. Its text may name files, and contains neither keys nor content.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    next: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            next: None,
        }
    }

    /// A wrong command line, found after clap has read it.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A failure of this machine, with its cause.
    pub(crate) fn local(what: impl Display, cause: &dyn Display) -> Self {
        Self::new(Exit::Refused, format!("{what}: {cause}"))
    }

    /// A file that cannot be read or written.
    pub(crate) fn file(path: &Path, cause: &io::Error) -> Self {
        Self::local(path.display(), cause)
    }

    /// Ctrl-C, and how to go on, if that is possible.
    pub(crate) fn interrupted(next: Option<&str>) -> Self {
        Self {
            next: next.map(str::to_owned),
            ..Self::new(Exit::Interrupted, "interrupted")
        }
    }

    /// Sets what to do next.
    #[must_use]
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Sets what to do next, unless that is said already.
    #[must_use]
    pub(crate) fn or_next(mut self, next: impl Into<String>) -> Self {
        self.next.get_or_insert_with(|| next.into());
        self
    }

    /// Says first what this is about, such as a file's name.
    #[must_use]
    pub(crate) fn about(mut self, what: impl Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What to do next, if that can be said.
    pub(crate) fn next_step(&self) -> Option<&str> {
        self.next.as_deref()
    }
}

/// An error with all its causes: the AWS SDK says only there what went wrong.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes: Vec<_> = causes(error).map(ToString::to_string).collect();
    causes.join(": ")
}

/// An error and its causes.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |error| (*error).source())
}

/// Standard output cannot be written.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Closed, String::new()),
            _ => Self::local("standard output", &error),
        }
    }
}

impl From<InvalidClient> for Failure {
    fn from(error: InvalidClient) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Refused {
                code,
                title,
                detail,
                ..
            } => {
                let exit = match &*code {
                    "integrity-failure" => Exit::NotAuthentic,
                    _ => Exit::Refused,
                };
                let message = escaped(&format!("{title}: {detail}"));
                let refused = Self::new(exit, message);
                match &*code {
                    "unauthorized" => refused.next("`caas login` checks and keeps another key"),
                    _ => refused,
                }
            }
            error @ ServiceError::Unavailable => Self::new(Exit::Network, error.to_string())
                .next("check the URL and the connection; `caas whoami` shows the URL in use"),
            error @ ServiceError::Unexpected => Self::new(Exit::Network, error.to_string())
                .next("check the URL: another program may answer there"),
        }
    }
}

impl From<UploadError> for Failure {
    fn from(error: UploadError) -> Self {
        let exit = match error {
            UploadError::Service(error) => return error.into(),
            UploadError::Unavailable => Exit::Network,
            UploadError::Source(cause) | UploadError::Journal(cause) => {
                return Self::new(Exit::Refused, cause.to_string());
            }
            UploadError::Changed | UploadError::InProgress | UploadError::Refused(_) => {
                Exit::Refused
            }
        };
        Self::new(exit, error.to_string())
    }
}

impl From<DownloadError> for Failure {
    fn from(error: DownloadError) -> Self {
        let exit = match error {
            DownloadError::Service(error) => return error.into(),
            DownloadError::Unavailable => Exit::Network,
            DownloadError::NotAuthentic => Exit::NotAuthentic,
            DownloadError::Destination(cause) => {
                return Self::new(Exit::Refused, cause.to_string());
            }
            DownloadError::Replaced
            | DownloadError::Deleted
            | DownloadError::InProgress
            | DownloadError::Refused(_) => Exit::Refused,
        };
        Self::new(exit, error.to_string())
    }
}
