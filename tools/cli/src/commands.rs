//! One module a command.

pub(crate) mod login;

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
    }
}
