//! Time and memory of seal-object for many small objects and a large one, dropped at once, and its
//! time for a large one compared with a plain copy between two buckets by the same client:
//!
//! ```text
//! cargo run --release -p caas-bench --example sealing [-- OBJECTS [MIB [RUNS]]]
//! ```
//!
//! 300 objects of 10 KiB, one of 256 MiB and 3 runs by default. S3 and KMS run in their own
//! process; this one runs the function, and its memory must stay below 96 MiB.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::{
    env,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use caas_aws::{Clients, KmsKey, ObjectKey, VersionedBucket};
use caas_bench::{EmulatorProcess, Error, Source, median, memory, plain_put, reset_peak};
use caas_emulator::BucketConfig;
use caas_inbox::{Inbox, S3_TIMEOUT};
use caas_settings::Settings;
use caas_vault::Vault;
use futures::{StreamExt, TryStreamExt, stream};
use seal_object::{Config, handle};
use serde_json::{Value, json};

/// The function's memory limit in KiB.
const MAX_PEAK: u64 = 96 << 10;

const SMALL: usize = 10 << 10;
const INBOX: &str = "inbox";
const VAULT: &str = "vault";
/// The source and destination of copies.
const PLAIN: &str = "plain";
const KEY: &str = "alias/bench";
/// Concurrent events, as in `caas-local`.
const CONCURRENCY: usize = 8;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let buckets = [INBOX, VAULT, PLAIN].map(BucketConfig::versioned).into();
    if EmulatorProcess::serve_if_asked(buckets, KEY).await? {
        return Ok(());
    }
    let mut arguments = env::args().skip(1);
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse());
    let (objects, mib, runs) = (number(300)?, number(256)? as u64, number(3)?);

    let emulator = EmulatorProcess::start()?;
    let mut connections = emulator.connections();
    connections.s3_timeout = S3_TIMEOUT;
    let clients = connections.connect().await;
    let settings = Settings::from([
        ("INBOX_BUCKET", INBOX),
        ("VAULT_BUCKET", VAULT),
        ("FILE_KEY_ID", KEY),
    ]);
    let function = Config::read(&settings)?.inbox(&clients);

    soak(&clients, &function, objects, mib).await?;
    against_a_copy(&clients, &function, mib, runs).await?;
    Ok(emulator.stop()?)
}

/// Drops everything, then passes all events to the function.
async fn soak(clients: &Clients, function: &Inbox, objects: usize, mib: u64) -> Result<(), Error> {
    let small = |i: usize| vec![i as u8; SMALL];
    let put = async |i: usize| {
        let put = clients.s3.put_object().bucket(INBOX);
        let put = put.key(format!("acme/{i}")).body(small(i).into());
        put.send().await.map(drop)
    };
    let puts = stream::iter(0..objects).map(put).buffer_unordered(16);
    puts.try_collect::<()>().await?;
    plain_put(&clients.s3, INBOX, "acme/large", Source(mib << 20)).await?;

    reset_peak()?;
    let start = memory("VmRSS")?;
    let begun = Instant::now();
    let done = AtomicUsize::new(0);
    let keys = std::iter::once("acme/large".to_owned());
    let keys = keys.chain((0..objects).map(|i| format!("acme/{i}")));
    let seal = async |key: String| {
        handle(event(&key), function).await?;
        let done = 1 + done.fetch_add(1, Ordering::Relaxed);
        if done.is_multiple_of(1_000) {
            println!("{done} sealed after {:.1} s", begun.elapsed().as_secs_f64());
        }
        Ok::<_, Error>(())
    };
    let ends = stream::iter(keys).map(seal).buffer_unordered(CONCURRENCY);
    ends.try_collect::<()>().await?;
    let time = begun.elapsed().as_secs_f64();
    let peak = memory("VmHWM")?;
    println!(
        "{objects} objects of 10 KiB and one of {mib} MiB sealed in {time:.1} s; {:.1} MiB resident at \
         the start, {:.1} MiB at the peak",
        start as f64 / 1024.0,
        peak as f64 / 1024.0,
    );
    if peak > MAX_PEAK {
        return Err(format!("{peak} KiB of memory").into());
    }

    let inbox = VersionedBucket::new(clients.s3.clone(), INBOX);
    if !inbox.all_versions("", None).await?.versions.is_empty() {
        return Err("the inbox is not empty".into());
    }
    let kms_key = KmsKey::new(clients.kms.clone(), KEY);
    let vault = Vault::new(clients.s3.clone(), VAULT, kms_key);
    for i in 0..objects {
        let opened = vault.get(&key(&format!("acme/{i}"))?, SMALL as u64).await?;
        if opened.content != small(i) {
            return Err("the content differs from what was dropped".into());
        }
    }
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("copy");
    vault.get_to_file(&key("acme/large")?, &copy).await?;
    if std::fs::metadata(&copy)?.len() != mib << 20 {
        return Err("the length differs from what was dropped".into());
    }
    println!("all of them decrypt, and the inbox is empty");
    Ok(())
}

/// Alternately, so that neither always goes first.
async fn against_a_copy(
    clients: &Clients,
    function: &Inbox,
    mib: u64,
    runs: usize,
) -> Result<(), Error> {
    plain_put(&clients.s3, PLAIN, "source", Source(mib << 20)).await?;
    let (mut sealed, mut copied) = (Vec::new(), Vec::new());
    for run in 0..runs {
        for sealing in [run % 2 == 0, run % 2 != 0] {
            if sealing {
                plain_put(&clients.s3, INBOX, "acme/large", Source(mib << 20)).await?;
                let begun = Instant::now();
                handle(event("acme/large"), function).await?;
                sealed.push(begun.elapsed());
            } else {
                let begun = Instant::now();
                let source = clients.s3.get_object().bucket(PLAIN).key("source");
                let content = source.send().await?.body.into_async_read();
                plain_put(&clients.s3, PLAIN, "copy", content).await?;
                copied.push(begun.elapsed());
            }
        }
    }
    let (sealed, copied) = (median(&mut sealed), median(&mut copied));
    println!(
        "{mib} MiB: sealed in {sealed:.2} s, copied plain in {copied:.2} s: {:.2} times as long \
         (median of {runs} runs)",
        sealed / copied
    );
    Ok(())
}

fn key(text: &str) -> Result<ObjectKey, Error> {
    Ok(ObjectKey::parse(text)?)
}

fn event(key: &str) -> Value {
    json!({"Records": [{"s3": {"bucket": {"name": INBOX}, "object": {"key": key}}}]})
}
