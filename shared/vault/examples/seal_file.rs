//! Seals a file to S3 and opens it again:
//!
//! ```text
//! cargo run -p caas-vault --example seal_file -- FILE BUCKET KMS-KEY CLIENT/PATH COPY
//! ```
//!
//! S3 and KMS are found as every AWS tool finds them; `AWS_ENDPOINT_URL_S3` and
//! `AWS_ENDPOINT_URL_KMS` name others, such as those that `cargo run` starts on this machine.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::{env, error::Error};

use caas_aws::{ClientsConfig, KmsKey, ObjectKey, PutOptions};
use caas_settings::Settings;
use caas_vault::Vault;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [file, bucket, kms_key, object, copy] = arguments.as_slice() else {
        return Err("usage: seal_file FILE BUCKET KMS-KEY CLIENT/PATH COPY".into());
    };
    let clients = ClientsConfig::read(&Settings::new(|name| env::var(name).ok()))?
        .connect()
        .await;
    let vault = Vault::new(clients.s3, bucket, KmsKey::new(clients.kms, kms_key));
    let object = ObjectKey::parse(object)?;

    let source = tokio::fs::File::open(file).await?;
    let len = source.metadata().await?.len();
    let options = PutOptions::default().exact_len(len);
    let stored = vault.put_reader(&object, source, &options).await?;
    println!("sealed {} bytes as {}", stored.size, object.as_str());

    let info = vault.get_to_file(&object, copy.as_ref()).await?;
    println!("verified {} bytes into {copy}", info.size());
    Ok(())
}
