//! One module a command.

pub(crate) mod audit;
pub(crate) mod doctor;
pub(crate) mod generate;
pub(crate) mod get;
pub(crate) mod info;
pub(crate) mod keys;
pub(crate) mod login;
pub(crate) mod ls;
pub(crate) mod put;
pub(crate) mod rm;
pub(crate) mod s3;
pub(crate) mod session_files;
pub(crate) mod user;
pub(crate) mod value;

use crate::{
    command_line::{Command, CommandLine},
    failure::Failure,
    output::Output,
};

pub(crate) async fn run(command_line: CommandLine, output: &Output) -> Result<(), Failure> {
    let connection = &command_line.connection;
    match command_line.command {
        Command::Login(command) => command.run(connection, output).await,
        Command::Logout(command) => command.run(connection, output),
        Command::Whoami(command) => command.run(connection, output).await,
        Command::Put(command) => command.run(connection, output).await,
        Command::Get(command) => command.run(connection, output).await,
        Command::Ls(command) => command.run(connection, output).await,
        Command::Info(command) => command.run(connection, output).await,
        Command::Rm(command) => command.run(connection, output).await,
        Command::Encrypt(command) => command.run(output).await,
        Command::Decrypt(command) => command.run(output).await,
        Command::Value(command) => command.run(connection, output).await,
        Command::User(command) => command.run(connection, output).await,
        Command::S3(command) => command.run(output).await,
        Command::Keys(command) => command.run(output).await,
        Command::Audit(command) => command.run(output).await,
        Command::Doctor(command) => command.run(connection, output).await,
        Command::Completions(command) => command.run(),
        Command::Man(command) => command.run(),
        Command::Markdown(command) => command.run(),
    }
}

/// How to go on after Ctrl-C.
pub(crate) fn after_interruption(command: &Command) -> Option<&'static str> {
    match command {
        Command::Put(command) => Some(command.after_interruption()),
        Command::Get(command) => Some(command.after_interruption()),
        _ => None,
    }
}
