//! Time and memory of 256 MiB sealed into the vault, against a plain multipart upload by the same
//! client in the same run:
//!
//! ```text
//! cargo run --release -p caas-bench --example vault [-- RUNS]
//! ```
//!
//! S3 and KMS run in their own process, so that the measured memory is the library's alone. If
//! `PYTHON` names an interpreter with `amazon-s3-encryption-client-python`, that client is measured
//! too.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::{
    env,
    process::Command,
    time::{Duration, Instant},
};

use caas_aws::{KmsKey, ObjectKey, PutOptions};
use caas_bench::{
    CONCURRENCY, EmulatorProcess, Error, Source, memory, plain_put, reset_peak, run_to_end,
};
use caas_emulator::BucketConfig;
use caas_vault::Vault;

const LEN: u64 = 256 << 20;
const BUCKET: &str = "bench";
const KEY: &str = "alias/bench";

#[tokio::main]
async fn main() -> Result<(), Error> {
    if EmulatorProcess::serve_if_asked(vec![BucketConfig::unversioned(BUCKET)], KEY).await? {
        return Ok(());
    }
    match env::args().nth(1) {
        Some(runs) => compare(runs.parse()?).await,
        None => compare(5).await,
    }
}

async fn compare(runs: usize) -> Result<(), Error> {
    let emulator = EmulatorProcess::start()?;
    let clients = emulator.connections().connect().await;
    let vault = Vault::new(clients.s3.clone(), BUCKET, KmsKey::new(clients.kms, KEY));
    let key = ObjectKey::parse("bench/file")?;
    let options = PutOptions::default().exact_len(LEN);

    // Warm-up: connections and other one-time work.
    let short = options.clone().exact_len(1000);
    vault.put(&key, vec![0; 1000], &short).await?;
    let start = memory("VmRSS")?;
    println!(
        "256 MiB in parts of 8 MiB, {CONCURRENCY} at a time; at the start {start} KiB resident"
    );

    let (mut sealed, mut plain, mut opened) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..runs {
        // Alternately, so that neither always goes first.
        for step in [run % 2, 1 - run % 2] {
            reset_peak()?;
            let begun = Instant::now();
            if step == 0 {
                vault.put_reader(&key, Source(LEN), &options).await?;
                sealed.push((begun.elapsed(), memory("VmHWM")?));
            } else {
                plain_put(&clients.s3, BUCKET, "plain", Source(LEN)).await?;
                plain.push((begun.elapsed(), memory("VmHWM")?));
            }
        }
        reset_peak()?;
        let begun = Instant::now();
        let folder = tempfile::tempdir()?;
        vault.put_reader(&key, Source(LEN), &options).await?;
        let put = begun.elapsed();
        vault.get_to_file(&key, &folder.path().join("file")).await?;
        opened.push((begun.elapsed() - put, memory("VmHWM")?));
    }
    let sealed = report("sealed put", &mut sealed, start);
    let plain = report("plain put", &mut plain, start);
    report("verified get into a file", &mut opened, start);
    println!(
        "sealed put at {:.2} of the plain put's speed",
        plain / sealed
    );

    if let Ok(python) = env::var("PYTHON") {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/s3ec_put.py");
        run_to_end(
            Command::new(python)
                .args([script, BUCKET, KEY, &LEN.to_string()])
                .env("AWS_ENDPOINT_URL_S3", &emulator.s3)
                .env("AWS_ENDPOINT_URL_KMS", &emulator.kms)
                .env("AWS_ACCESS_KEY_ID", &emulator.credentials.0)
                .env("AWS_SECRET_ACCESS_KEY", &emulator.credentials.1),
        )?;
    }
    Ok(emulator.stop()?)
}

/// Prints the median time and the highest peak; returns the median in seconds.
fn report(what: &str, runs: &mut [(Duration, u64)], start: u64) -> f64 {
    runs.sort_unstable();
    let median = runs[runs.len() / 2].0.as_secs_f64();
    let peak = runs.iter().map(|run| run.1).max().unwrap_or_default();
    println!(
        "{what}: median {median:.2} s ({:.0} MiB/s) of {} runs, peak {:.1} MiB above the start",
        256.0 / median,
        runs.len(),
        peak.saturating_sub(start) as f64 / 1024.0
    );
    median
}
