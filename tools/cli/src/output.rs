//! What a command prints: results on standard output, everything else on standard error.

use std::io::{self, IsTerminal, Write};

use clap::Args;
use serde_json::{Value, json};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};
use zeroize::Zeroizing;

use crate::{
    failure::{Exit, Failure},
    text::{self, escaped_lines},
};

/// How to print.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct OutputOptions {
    /// Print results as JSON, one object a line
    #[arg(long, global = true)]
    json: bool,

    /// Print results and errors alone: no notes and no progress
    #[arg(long, short, global = true)]
    quiet: bool,
}

/// Where results and notes go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    terminal: bool,
}

impl Output {
    pub(crate) fn new(options: &OutputOptions) -> Self {
        Self {
            json: options.json,
            quiet: options.quiet,
            terminal: io::stderr().is_terminal(),
        }
    }

    /// Whether results are JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether somebody watches the progress.
    pub(crate) fn shows_progress(&self) -> bool {
        self.terminal && !self.quiet && !self.json
    }

    /// Shows why S3 and KMS did not do what was asked, as the crates log it: without content and names.
    pub(crate) fn show_log(&self) {
        if self.quiet || self.json {
            return;
        }
        let ours = Targets::new()
            .with_target("caas_aws", LevelFilter::WARN)
            .with_target("caas_vault", LevelFilter::WARN);
        let lines = fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(false)
            .with_target(false)
            .without_time();
        let log = tracing_subscriber::registry().with(lines.with_filter(ours));
        // There is no other log.
        let _ = log.try_init();
    }

    /// Prints one result: a line for people, or an object.
    pub(crate) fn result(&self, line: &str, object: &Value) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match self.json {
            true => writeln!(out, "{}", text::json(object))?,
            false => writeln!(out, "{}", escaped_lines(line))?,
        }
        Ok(out.flush()?)
    }

    /// Says something that is no result.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            // There is nowhere else to say it.
            let _ = writeln!(io::stderr(), "{}", escaped_lines(text));
        }
    }

    /// Says what failed.
    pub(crate) fn report(&self, failure: &Failure) {
        let _ = writeln!(io::stderr(), "{}", self.failure(failure));
    }

    /// The last line of a command that failed.
    fn failure(&self, failure: &Failure) -> String {
        if self.json {
            let error = json!({
                "error": failure.message(),
                "next": failure.next_step(),
                "exit": failure.exit() as u8,
            });
            return text::json(&error);
        }
        // A message may have several lines, and name a file of this machine.
        let message = escaped_lines(failure.message());
        let message = match failure.exit() {
            Exit::Interrupted => message,
            _ => format!("error: {message}"),
        };
        match failure.next_step() {
            Some(next) => format!("{message}\n{next}"),
            None => message,
        }
    }
}

/// Asks a question on the terminal, and reads a line as the answer. `None` without a terminal.
pub(crate) fn ask(question: &str) -> Result<Option<String>, Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    let ask = || {
        write!(io::stderr(), "{question} ")?;
        io::stderr().flush()?;
        let mut line = String::new();
        // Meanwhile other tasks go on: the one that waits for Ctrl-C.
        tokio::task::block_in_place(|| io::stdin().read_line(&mut line))?;
        io::Result::Ok(line.trim().to_owned())
    };
    let answer = ask().map_err(|error| Failure::local("the terminal", &error))?;
    Ok(Some(answer))
}

/// Asks for a secret on the terminal, and does not show it. Blocks.
pub(crate) fn ask_secretly(question: &str) -> Result<Zeroizing<String>, Failure> {
    let secret = rpassword::prompt_password(question).map(Zeroizing::new);
    secret.map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted => Failure::new(Exit::Interrupted, "interrupted"),
        _ => Failure::local("the terminal", &error),
    })
}
