//! `caas s3 put`.

use std::{fs::File, path::PathBuf};

use caas_aws::{KmsKey, PutOptions, Unavailable};
use caas_vault::{ObjectAddress, PutError, Vault};
use clap::Args;
use serde_json::json;

use super::{S3Url, connect, context, pair, unavailable, watch};
use crate::{
    failure::{Exit, Failure},
    output::Output,
};

/// The longest context in bytes: S3 stores 2 KB of metadata, and the header needs some of them.
const MAX_CONTEXT: usize = 1024;

const EXAMPLES: &str = "\
Examples:
  caas s3 put q3.pdf s3://reports/2026/ --kms-key alias/reports
  caas s3 put q3.pdf s3://reports/2026/q3.pdf --kms-key alias/reports --context department=sales";

/// Encrypt and store a file
///
/// Nothing is visible before all of it is stored. KMS makes the key of this object, and AWS's
/// clients open it with the same encryption context.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Put {
    /// The file
    file: PathBuf,

    /// The object, as s3://BUCKET/KEY; after a `/`, the file's name is added
    url: S3Url,

    /// The KMS key that wraps the object's key: its id, ARN or alias
    #[arg(long, value_name = "ID")]
    kms_key: String,

    /// A pair of the encryption context; once for each pair. It is not secret, and needed to decrypt
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,

    /// Replace the object if it exists
    #[arg(long, short)]
    force: bool,
}

impl Put {
    pub(crate) async fn run(mut self, output: &Output) -> Result<(), Failure> {
        let not_read = |error| Failure::file(&self.file, &error);
        let file = File::open(&self.file).map_err(not_read)?;
        let metadata = file.metadata().map_err(not_read)?;
        let name = self.file.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        if metadata.is_dir() {
            return Err(not_read(std::io::ErrorKind::IsADirectory.into()));
        }
        if self.url.key.is_empty() || self.url.key.ends_with('/') {
            self.url.key.push_str(&name);
        }
        let pairs = self.context.iter();
        let len: usize = pairs.map(|(name, value)| name.len() + value.len()).sum();
        let is_ascii = |(name, value): &(String, String)| name.is_ascii() && value.is_ascii();
        if len > MAX_CONTEXT || !self.context.iter().all(is_ascii) {
            return Err(Failure::usage(
                "the pairs of --context must be ASCII, of at most 1024 characters together",
            ));
        }
        let address = ObjectAddress::new(&self.url.key, context(&self.context)?);
        let len = metadata.is_file().then_some(metadata.len());
        let mut options = PutOptions::default();
        if let Some(len) = len {
            options = options.exact_len(len);
        }
        if !self.force {
            options = options.if_absent();
        }
        let clients = connect().await?;
        let key = KmsKey::new(clients.kms, &self.kms_key);
        let vault = Vault::new(clients.s3, &self.url.bucket, key);
        let position = file.try_clone().map_err(not_read)?;
        let source = tokio::fs::File::from_std(file);
        let put = vault.put_at(&address, source, &options);
        let stored = watch(output, (&name, len), position, put).await;
        let stored = stored.map_err(|error| match error {
            PutError::Source(cause) => Failure::file(&self.file, &cause),
            PutError::WrongLength => Failure::new(Exit::Refused, "the file was changed meanwhile")
                .about(self.file.display()),
            error => not_stored(error).about(&self.url),
        })?;
        let url = self.url.to_string();
        let object = json!({"url": url, "size": stored.size, "version": stored.version_id});
        output.result(&url, &object)
    }
}

fn not_stored(error: PutError) -> Failure {
    match error {
        PutError::PreconditionFailed => Failure::new(Exit::Refused, "an object is there already")
            .next("choose another key, or replace it with --force"),
        PutError::Unavailable => unavailable(Unavailable),
        error => Failure::new(Exit::Refused, error.to_string()),
    }
}
