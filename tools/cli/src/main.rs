//! `caas`: files and values, encrypted from the command line.

mod command_line;
mod commands;
mod connection;
mod failure;
mod output;
mod profiles;
mod progress;

use std::{
    future::Future,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::Parser;

use crate::{
    command_line::CommandLine,
    failure::{Exit, Failure},
    output::Output,
};

/// How long a thread that reads or writes a file may take after the command has ended.
const LEAVING: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    let output = Output::new(&command_line.output);
    let ended = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => {
            let ended = runtime.block_on(until_interrupted(commands::run(command_line, &output)));
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
        let _ = writeln!(io::stderr(), "{}", output.failure(&failure));
    }
    failure.exit().into()
}

/// Runs a command. Ctrl-C drops it, and with it every temporary file.
async fn until_interrupted(
    command: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let interrupted = async {
        // Without a handler, Ctrl-C ends the process: that leaves temporary files, nothing else.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        ended = command => ended,
        () = interrupted => Err(Failure::interrupted()),
    }
}
