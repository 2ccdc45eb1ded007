//! The command line.

use clap::{Parser, Subcommand};

use crate::{commands, connection::ConnectionOptions, output::OutputOptions};

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    the service refused, or a file here cannot be read or written
  2    the command line is wrong
  3    not authentic: changed, cut short, or another key's
  4    the service or S3 cannot be reached
  130  interrupted

Environment:
  CAAS_URL, CAAS_API_KEY  the service and the API key, unless --profile is given
  CAAS_FILE_KEY           the key of the file for `caas decrypt`";

/// Encrypted files and values, in your own cloud
#[derive(Debug, Parser)]
#[command(name = "caas", version, after_help = EXIT_CODES, subcommand_required = true)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) connection: ConnectionOptions,

    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Login(commands::login::Login),
    Logout(commands::login::Logout),
    Whoami(commands::login::Whoami),
    Put(commands::put::Put),
    Get(commands::get::Get),
    Ls(commands::ls::Ls),
    Info(commands::info::Info),
    Rm(commands::rm::Rm),
    Encrypt(commands::session_files::Encrypt),
    Decrypt(commands::session_files::Decrypt),
    Value(commands::value::Value),
    User(commands::user::User),
    S3(commands::s3::S3),
    Keys(commands::keys::Keys),
    Audit(commands::audit::Audit),
    Doctor(commands::doctor::Doctor),
    Completions(commands::generate::Completions),
    Man(commands::generate::Man),
    #[command(hide = true)]
    Markdown(commands::generate::Markdown),
}
