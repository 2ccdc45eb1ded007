//! S3 and KMS with the service's buckets and keys.

use std::io::stdin;

use caas_bench::Error;
use caas_emulator::{BucketConfig, Config, Emulator};
use serde_json::{Map, Value, json};

const FILE_KEY: &str = "alias/file";
const USER_KEY: &str = "alias/user";

/// Prints the environment of a program that uses it; then, for each line of standard input, the requests so far.
pub(crate) async fn serve(folder: &str) -> Result<(), Error> {
    let mut config = Config::new(folder);
    let versioned = ["vault", "inbox", "user-keys", "clients"].map(BucketConfig::versioned);
    config.buckets = versioned.into();
    config.buckets.push(BucketConfig::unversioned("plain"));
    config.key_aliases = [FILE_KEY, USER_KEY].map(str::to_owned).into();
    let emulator = Emulator::start(config).await?;
    let variables = json!({
        "AWS_ENDPOINT_URL_S3": emulator.s3_url(),
        "AWS_ENDPOINT_URL_KMS": emulator.kms_url(),
        "AWS_ACCESS_KEY_ID": emulator.access_key_id(),
        "AWS_SECRET_ACCESS_KEY": emulator.secret_access_key(),
        "AWS_REGION": emulator.region(),
        "AWS_DEFAULT_REGION": emulator.region(),
        "VAULT_BUCKET": "vault",
        "INBOX_BUCKET": "inbox",
        "USER_KEYS_BUCKET": "user-keys",
        "CLIENTS_BUCKET": "clients",
        "FILE_KEY_ID": emulator.key_arn(FILE_KEY),
        "USER_KEY_ID": emulator.key_arn(USER_KEY),
    });
    println!("{variables}");
    let emulator = tokio::task::spawn_blocking(move || {
        for line in stdin().lines() {
            line?;
            let calls = emulator.calls();
            let calls = calls
                .iter()
                .map(|(name, count)| (name.to_owned(), count.into()));
            println!("{}", Value::from(calls.collect::<Map<_, _>>()));
        }
        Ok::<_, Error>(emulator)
    });
    emulator.await??.shutdown().await;
    Ok(())
}
