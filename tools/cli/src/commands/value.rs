//! `caas value`: values of users.

mod lines;
mod requests;

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
};

use caas_client::{Client, Datum, ServiceError};
use clap::{Args, Subcommand};
use serde::Serialize;
use uuid::Uuid;
use zeroize::Zeroizing;

use self::{
    lines::{Lines, Prompts, is_standard_input},
    requests::{Requests, in_requests},
};
use crate::{
    connection::ConnectionOptions,
    failure::{Exit, Failure},
    output::Output,
};

/// Encrypt, compare and decrypt values of users
///
/// Each user has a key of their own, which the service makes at the first value. Data and values are
/// lines of text: results come one a line, in the same order. A line ends with LF or CRLF.
///
/// Data are not taken as arguments: other users of this machine could read them in the list of
/// processes, and your shell would keep them in its history.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    subcommand_required = true,
    after_help = "Example:\n  caas value encrypt --user 123e4567-e89b-12d3-a456-426614174000 < data.txt > values.txt"
)]
pub(crate) struct Value {
    #[command(subcommand)]
    command: ValueCommand,
}

#[derive(Debug, Subcommand)]
enum ValueCommand {
    Encrypt(Encrypt),
    Digest(Digest),
    Verify(Verify),
    Decrypt(Decrypt),
}

/// Whose values.
#[derive(Debug, Args)]
struct User {
    /// The user
    #[arg(long, value_name = "UUID")]
    user: Uuid,
}

/// What values are for.
#[derive(Debug, Args)]
struct Context {
    /// What the values are for, such as `email`; they open with the same context only. Not a secret
    #[arg(long, value_name = "TEXT")]
    context: Option<String>,
}

/// Where data come from.
#[derive(Debug, Args)]
struct Data {
    /// File with the data, one a line. Without it: standard input, or on a terminal one datum that
    /// is not shown
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Encrypt data so that they can be decrypted again
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  caas value encrypt --user 123e4567-e89b-12d3-a456-426614174000 --context email < emails.txt"
)]
struct Encrypt {
    #[command(flatten)]
    user: User,
    #[command(flatten)]
    context: Context,
    #[command(flatten)]
    data: Data,
}

/// Compute digests of data, which nobody can decrypt
///
/// The same user and datum give the same digest, until the user's key is rotated.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Example:\n  caas value digest --user 123e4567-e89b-12d3-a456-426614174000 --file data.txt"
)]
struct Digest {
    #[command(flatten)]
    user: User,
    #[command(flatten)]
    data: Data,
}

/// Compare data with digests or encrypted values
///
/// Prints `valid` or `invalid` for each pair, and ends with exit code 3 if any is invalid.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Example:\n  caas value verify --user 123e4567-e89b-12d3-a456-426614174000 --file data.txt --encrypted values.txt"
)]
struct Verify {
    #[command(flatten)]
    user: User,
    #[command(flatten)]
    context: Context,
    #[command(flatten)]
    data: Data,
    /// What the data are compared with, in their order: digests or encrypted values
    #[arg(value_name = "VALUE", required_unless_present = "encrypted")]
    values: Vec<String>,
    /// File with the values instead, one a line
    #[arg(long, value_name = "FILE", conflicts_with = "values")]
    encrypted: Option<PathBuf>,
}

/// Decrypt values
///
/// For a value that does not open, prints an empty line, so that the others keep their places; names
/// the line on standard error, and ends with exit code 3. With --json its `data` is null.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Example:\n  caas value decrypt --user 123e4567-e89b-12d3-a456-426614174000 --context email < values.txt"
)]
struct Decrypt {
    #[command(flatten)]
    user: User,
    #[command(flatten)]
    context: Context,
    /// The encrypted values
    #[arg(value_name = "VALUE", conflicts_with = "file")]
    values: Vec<String>,
    /// File with the values, one a line. Without it and without arguments: standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Value {
    pub(crate) async fn run(
        self,
        connection: &ConnectionOptions,
        output: &Output,
    ) -> Result<(), Failure> {
        let client = connection.client()?;
        match self.command {
            ValueCommand::Encrypt(command) => command.run(&client, output).await,
            ValueCommand::Digest(command) => command.run(&client, output).await,
            ValueCommand::Verify(command) => command.run(&client, output).await,
            ValueCommand::Decrypt(command) => command.run(&client, output).await,
        }
    }
}

impl Encrypt {
    async fn run(self, client: &Client, output: &Output) -> Result<(), Failure> {
        let user = self.user.user.to_string();
        let context = self.context.context.as_deref();
        let mut requests = in_requests(self.data.open(1)?, |datum: &Datum| datum.as_str());
        while let Some((first, data)) = requests.next().await? {
            let encrypted = client.encrypt(&user, &data, context).await;
            print(
                output,
                "encrypted",
                first,
                &about(first, data.len(), encrypted)?,
            )?;
        }
        Ok(())
    }
}

impl Digest {
    async fn run(self, client: &Client, output: &Output) -> Result<(), Failure> {
        let user = self.user.user.to_string();
        let mut requests = in_requests(self.data.open(1)?, |datum: &Datum| datum.as_str());
        while let Some((first, data)) = requests.next().await? {
            let digests = client.digest(&user, &data).await;
            print(
                output,
                "encrypted",
                first,
                &about(first, data.len(), digests)?,
            )?;
        }
        Ok(())
    }
}

impl Verify {
    async fn run(self, client: &Client, output: &Output) -> Result<(), Failure> {
        let user = self.user.user.to_string();
        let context = self.context.context.as_deref();
        if let Some(encrypted) = &self.encrypted
            && is_standard_input(encrypted)
            && self.data.file.as_deref().is_none_or(is_standard_input)
        {
            return Err(
                Failure::usage("data and values cannot both come from standard input")
                    .next("name a file with --file or --encrypted"),
            );
        }
        let data = self.data.open(self.values.len().max(1))?;
        let values = values(self.values, self.encrypted)?;
        let mut requests = pairs(data, values);
        let (mut invalid, mut all) = (0, 0);
        while let Some((first, pairs)) = requests.next().await? {
            let (data, encrypted): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let valid = client.verify(&user, &data, &encrypted, context).await;
            let valid = about(first, data.len(), valid)?;
            invalid += valid.iter().filter(|valid| !**valid).count();
            all += valid.len();
            print(output, "valid", first, &valid)?;
        }
        match invalid {
            0 => Ok(()),
            _ => Err(Failure::new(
                Exit::NotAuthentic,
                format!("{invalid} of {all} are invalid"),
            )),
        }
    }
}

impl Decrypt {
    async fn run(self, client: &Client, output: &Output) -> Result<(), Failure> {
        let user = self.user.user.to_string();
        let context = self.context.context.as_deref();
        if self.values.is_empty() && self.file.is_none() && io::stdin().is_terminal() {
            output.note("Enter values, one a line, and Ctrl-D at the end.");
        }
        let mut requests = in_requests(values(self.values, self.file)?, String::as_str);
        let (mut closed, mut all) = (0, 0);
        while let Some((first, values)) = requests.next().await? {
            let data = client.decrypt(&user, &values, context).await;
            let data = about(first, values.len(), data)?;
            for (line, datum) in (first..).zip(&data) {
                match datum {
                    Some(datum) if !output.is_json() => check_printable(line, datum)?,
                    Some(_) => {}
                    None => {
                        closed += 1;
                        if !output.is_json() {
                            // Part of the result, so that --quiet keeps it.
                            let _ = writeln!(io::stderr(), "line {line}: does not open");
                        }
                    }
                }
            }
            all += data.len();
            print(output, "data", first, &data)?;
        }
        match closed {
            0 => Ok(()),
            _ => Err(Failure::new(
                Exit::NotAuthentic,
                format!("{closed} of {all} values do not open"),
            )
            .next("a value opens only for its user, with the context that it was encrypted with, and unchanged")),
        }
    }
}

impl Data {
    /// The data: up to `prompts` of them if somebody enters them on a terminal.
    fn open(self, prompts: usize) -> Result<Source<Datum>, Failure> {
        if self.file.is_none() && io::stdin().is_terminal() {
            let mut prompts = Prompts::new(prompts);
            return Ok(Box::new(move || prompts.next()));
        }
        let mut lines = Lines::open(self.file)?;
        Ok(Box::new(move || lines.next()))
    }
}

/// Yields items one after the other. Blocks.
type Source<T> = Box<dyn FnMut() -> Result<Option<T>, Failure> + Send>;

/// Encrypted values: these, or those in a file.
fn values(values: Vec<String>, file: Option<PathBuf>) -> Result<Source<String>, Failure> {
    if !values.is_empty() {
        let mut values = values.into_iter();
        return Ok(Box::new(move || Ok(values.next())));
    }
    let mut lines = Lines::open(file)?;
    Ok(Box::new(move || {
        Ok(lines.next()?.map(|mut line| std::mem::take(&mut *line)))
    }))
}

/// Joins each datum with its value.
fn pairs(mut data: Source<Datum>, mut values: Source<String>) -> Requests<(Datum, String)> {
    let mut line = 0;
    let next: Source<_> = Box::new(move || {
        line += 1;
        match (data()?, values()?) {
            (Some(datum), Some(value)) => Ok(Some((datum, value))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(Failure::usage(format!(
                "line {line}: no value for this datum"
            ))),
            (None, Some(_)) => Err(Failure::usage(format!(
                "line {line}: no datum for this value"
            ))),
        }
    });
    Requests::new(next, |(datum, value)| {
        requests::weight(datum) + requests::weight(value)
    })
}

/// Says which lines a failed request was about.
fn about<T>(first: u64, len: usize, result: Result<T, ServiceError>) -> Result<T, Failure> {
    result.map_err(|error| {
        let failure = Failure::from(error);
        match (failure.exit(), len) {
            (Exit::Refused, 1) => failure.about(format!("line {first}")),
            (Exit::Refused, len) => {
                failure.about(format!("lines {first} to {}", first + len as u64 - 1))
            }
            _ => failure,
        }
    })
}

/// Refuses a datum that is no line of text, or that would control the terminal.
fn check_printable(line: u64, datum: &str) -> Result<(), Failure> {
    let breaks = |c: char| matches!(c, '\n' | '\r');
    let controls = |c: char| c.is_control() && c != '\t';
    let what = if datum.contains(breaks) {
        "the datum has a line break"
    } else if datum.contains(controls) && io::stdout().is_terminal() {
        "the datum has control characters"
    } else {
        return Ok(());
    };
    let failure = Failure::new(Exit::Refused, format!("line {line}: {what}"));
    Err(failure.next("print the data as JSON, with --json"))
}

/// Prints one result a line, and wipes what it printed.
fn print<T: Serialize + Line>(
    output: &Output,
    name: &str,
    first: u64,
    results: &[T],
) -> Result<(), Failure> {
    // JSON makes six bytes of one at most. The text never grows: that would leave copies behind.
    let room = results
        .iter()
        .map(|result| 6 * result.text().len() + name.len() + 48);
    let mut text = Zeroizing::new(Vec::with_capacity(room.sum()));
    for (line, result) in (first..).zip(results) {
        if output.is_json() {
            write!(text, "{{\"line\":{line},\"{name}\":")?;
            serde_json::to_writer(&mut *text, result).map_err(io::Error::from)?;
            writeln!(text, "}}")?;
        } else {
            writeln!(text, "{}", result.text())?;
        }
    }
    let mut out = io::stdout().lock();
    out.write_all(&text)?;
    Ok(out.flush()?)
}

/// A result, as a line of text.
trait Line {
    fn text(&self) -> &str;
}

impl Line for String {
    fn text(&self) -> &str {
        self
    }
}

impl Line for bool {
    fn text(&self) -> &str {
        match self {
            true => "valid",
            false => "invalid",
        }
    }
}

impl Line for Option<Datum> {
    fn text(&self) -> &str {
        self.as_ref().map_or("", |datum| datum.as_str())
    }
}
