//! `caas completions`, `caas man`, and the page of the command line in the guide.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

use crate::{command_line::CommandLine, failure::Failure};

/// What precedes the commands on the page.
const INTRODUCTION: &str = include_str!("generate/introduction.md");

/// Print a script that completes commands and options in your shell
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  caas completions bash > ~/.local/share/bash-completion/completions/caas"
)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

/// Print a manual page
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  caas man put | man -l -\n  caas man > ~/.local/share/man/man1/caas.1"
)]
pub(crate) struct Man {
    /// The command, such as `put` or `user shred`; without it, the page of caas itself
    #[arg(value_name = "COMMAND")]
    path: Vec<String>,
}

/// Print docs/guide/cli.md
#[derive(Debug, Args)]
pub(crate) struct Markdown {}

impl Completions {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut CommandLine::command(), "caas", &mut script);
        Ok(io::stdout().write_all(&script)?)
    }
}

impl Man {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut root = CommandLine::command();
        root.build();
        let mut command = &root;
        for name in &self.path {
            let found = command.find_subcommand(name);
            command = found.ok_or_else(|| {
                Failure::usage(format!("there is no command `{}`", self.path.join(" ")))
                    .next("`caas help` lists the commands")
            })?;
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(command.clone()).render(&mut page)?;
        Ok(io::stdout().write_all(&page)?)
    }
}

impl Markdown {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut root = CommandLine::command();
        root.build();
        let mut page = INTRODUCTION.to_owned();
        add(&mut page, &mut vec![root.get_name()], &root);
        Ok(io::stdout().write_all(page.as_bytes())?)
    }
}

/// Adds the help of the command at this path, and of the commands in it.
fn add<'a>(page: &mut String, path: &mut Vec<&'a str>, command: &'a Command) {
    // As --help prints it, which depends on what there is to say.
    let help = CommandLine::command().try_get_matches_from(path.iter().chain(&["--help"]));
    let help = help.map_or_else(|help| help.render().to_string(), |_| String::new());
    let (name, help) = (path.join(" "), help.trim_end());
    // Writing to a string does not fail.
    let _ = write!(
        page,
        "\n## `{name}`\n\n```console\n$ {name} --help\n{help}\n\n```\n"
    );
    for command in command.get_subcommands() {
        if !command.is_hide_set() && command.get_name() != "help" {
            path.push(command.get_name());
            add(page, path, command);
            path.pop();
        }
    }
}
