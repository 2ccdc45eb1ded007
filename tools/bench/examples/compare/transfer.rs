//! One large file through the vault, or plain by the same client.

use std::{env, time::Instant};

use caas_aws::{ClientsConfig, KmsKey, ObjectKey, PutOptions};
use caas_bench::{Error, Source, memory, plain_put, reset_peak};
use caas_settings::Settings;
use caas_vault::Vault;
use serde_json::json;

/// `put`, `get` into a file, or `plain`, after a short warm-up. Prints the seconds, and by how many KiB it raised the
/// resident memory.
pub(crate) async fn run(what: &str, bucket: &str, key: &str, len: u64) -> Result<(), Error> {
    let settings = Settings::new(|name| env::var(name).ok());
    let kms_key = settings.get("FILE_KEY_ID").ok_or("no FILE_KEY_ID")?;
    let clients = ClientsConfig::read(&settings)?.connect().await;
    let vault = Vault::new(
        clients.s3.clone(),
        bucket,
        KmsKey::new(clients.kms, &kms_key),
    );
    let options = PutOptions::default();
    let warm_up = ObjectKey::parse("bench/warm-up")?;
    vault
        .put(&warm_up, vec![0; 1000], &options.clone().exact_len(1000))
        .await?;
    let object = ObjectKey::parse(key)?;
    let folder = tempfile::tempdir()?;

    reset_peak()?;
    let start = memory("VmRSS")?;
    let begun = Instant::now();
    match what {
        "put" => drop(
            vault
                .put_reader(&object, Source(len), &options.exact_len(len))
                .await?,
        ),
        "get" => drop(
            vault
                .get_to_file(&object, &folder.path().join("file"))
                .await?,
        ),
        "plain" => plain_put(&clients.s3, bucket, key, Source(len)).await?,
        _ => return Err("put, get or plain".into()),
    }
    let seconds = begun.elapsed().as_secs_f64();
    let above = memory("VmHWM")?.saturating_sub(start);
    println!("{}", json!({"seconds": seconds, "above_kib": above}));
    Ok(())
}
