//! `caas user`: the keys of users.

use clap::{Args, Subcommand};
use serde_json::json;
use uuid::Uuid;

use crate::{
    commands::rm::erased,
    connection::ConnectionOptions,
    failure::{Exit, Failure},
    output::{Output, ask},
    text::escaped,
};

/// Show, rotate and shred the keys of users
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    after_help = "Example:\n  caas user show 123e4567-e89b-12d3-a456-426614174000"
)]
pub(crate) struct User {
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// List the versions of a user's key: number and time
    #[command(after_help = "Example:\n  caas user show 123e4567-e89b-12d3-a456-426614174000")]
    Show {
        /// The user
        #[arg(value_name = "UUID")]
        user: Uuid,
    },
    /// Give a user a new key for new values; existing values still open
    #[command(after_help = "Example:\n  caas user rotate 123e4567-e89b-12d3-a456-426614174000")]
    Rotate {
        /// The user
        #[arg(value_name = "UUID")]
        user: Uuid,
    },
    /// Make everything that was encrypted for a user permanently unreadable
    ///
    /// Removes all versions of the user's key. No encrypted value of the user can be decrypted any
    /// more, and no digest compared, wherever there are copies of them. Nobody can undo that. Asks for
    /// the UUID again; without a terminal, repeat it with --confirm.
    #[command(
        verbatim_doc_comment,
        after_help = "Example:\n  caas user shred 123e4567-e89b-12d3-a456-426614174000"
    )]
    Shred {
        /// The user
        #[arg(value_name = "UUID")]
        user: Uuid,
        /// The user again, instead of the question
        #[arg(long, value_name = "UUID")]
        confirm: Option<Uuid>,
    },
}

impl User {
    pub(crate) async fn run(
        self,
        connection: &ConnectionOptions,
        output: &Output,
    ) -> Result<(), Failure> {
        let client = connection.client()?;
        match self.command {
            UserCommand::Show { user } => {
                for version in client.key_versions(&user.to_string()).await? {
                    output.result(
                        &format!("{:>4}  {}", version.version, escaped(&version.created_at)),
                        &json!(version),
                    )?;
                }
                Ok(())
            }
            UserCommand::Rotate { user } => {
                let version = client.rotate(&user.to_string()).await?;
                output.result(
                    &format!("New values use version {version} of the key."),
                    &json!({"user": user.to_string(), "version": version}),
                )
            }
            UserCommand::Shred { user, confirm } => {
                confirmed(user, confirm, output)?;
                let receipt = client.shred(&user.to_string()).await?;
                output.result(
                    &format!("The keys of {user} are shredded: {}", erased(&receipt)),
                    &json!({"user": user.to_string(), "shredded": true, "receipt": receipt}),
                )
            }
        }
    }
}

/// Makes sure that this user is meant.
fn confirmed(user: Uuid, confirm: Option<Uuid>, output: &Output) -> Result<(), Failure> {
    let confirm = match confirm {
        Some(confirm) => Some(confirm),
        None => {
            output.note(&format!(
                "This makes every value that was encrypted for {user} permanently unreadable, and \
                 every digest incomparable. Nobody can undo it."
            ));
            let answer = ask("Enter the UUID again to go on:")?;
            let answer = answer.ok_or_else(|| {
                Failure::usage("there is no terminal to ask on").next(format!(
                    "repeat the UUID: caas user shred {user} --confirm {user}"
                ))
            })?;
            answer.parse().ok()
        }
    };
    match confirm == Some(user) {
        true => Ok(()),
        false => Err(Failure::new(
            Exit::Usage,
            "the two UUIDs differ; nothing was changed",
        )),
    }
}
