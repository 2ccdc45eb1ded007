//! `caas`: files and values, encrypted from the command line.

mod blocking;
mod command_line;
mod commands;
mod connection;
mod destination;
mod failure;
mod file_key;
mod lookup;
mod moment;
mod output;
mod profiles;
mod progress;
mod pump;
mod tally;
mod text;

use std::{process::ExitCode, time::Duration};

use clap::Parser;

use crate::{
    command_line::CommandLine,
    failure::{Exit, Failure},
    output::Output,
};

/// How long a thread that reads or writes a file may take after the command has ended.
const LEAVING: Duration = Duration::from_millis(500);

/// How long an interrupted command may clean up, unless it is interrupted again.
const CLEANING: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    let output = Output::new(&command_line.output);
    let ended = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => {
            let ended = runtime.block_on(until_interrupted(command_line, output));
            runtime.shutdown_timeout(LEAVING);
            ended
        }
        Err(error) => Err(Failure::local("the runtime cannot start", &error)),
    };
    let Err(failure) = ended else {
        return ExitCode::SUCCESS;
    };
    // Whoever closed the pipe has read enough.
    if failure.exit() != Exit::Closed {
        output.report(&failure);
    }
    failure.exit().into()
}

/// Runs a command. Ctrl-C drops it, and with it every temporary file.
async fn until_interrupted(command_line: CommandLine, output: Output) -> Result<(), Failure> {
    let next = commands::after_interruption(&command_line.command);
    let interruption = interrupted();
    // A task of its own may block, as it does while it waits for a line from the terminal.
    let mut command = tokio::spawn(async move { commands::run(command_line, &output).await });
    tokio::select! {
        ended = &mut command => {
            ended.unwrap_or_else(|error| Err(Failure::local("the command ended early", &error)))
        }
        () = interruption => {
            command.abort();
            // It does not end while it waits for a line from the terminal.
            if tokio::time::timeout(LEAVING, command).await.is_ok() {
                tokio::select! {
                    _ = tokio::time::timeout(CLEANING, cleaned()) => {}
                    () = interrupted() => {}
                }
            }
            Err(Failure::interrupted(next))
        }
    }
}

/// Returns when nothing is left to do, such as to abort an upload that nobody can go on with.
async fn cleaned() {
    let tasks = tokio::runtime::Handle::current().metrics();
    while tasks.num_alive_tasks() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Handles SIGINT and SIGTERM from now on, and waits for one. Without a handler they end the process:
/// that leaves temporary files, nothing else.
#[cfg(unix)]
fn interrupted() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};

    let interrupt = signal(SignalKind::interrupt());
    let terminate = signal(SignalKind::terminate());
    async {
        let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
