//! Time and memory of 256 MiB sealed into the vault, against a plain multipart upload by the same
//! client in the same run:
//!
//! ```text
//! cargo run --release -p caas-bench --example vault [-- RUNS]
//! ```
//!
//! S3 and KMS run in a process of their own, so that memory is the library's alone. With `PYTHON`
//! naming an interpreter that has `amazon-s3-encryption-client-python`, that client is measured too.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::{
    env, fs,
    io::{self, BufRead, BufReader},
    pin::Pin,
    process::{Child, Command, Stdio},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use aws_sdk_s3::{
    Client,
    primitives::ByteStream,
    types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart},
};
use caas_aws::{ClientsConfig, KmsKey, ObjectKey, PART_LEN, PutOptions, Vault};
use caas_emulator::{BucketConfig, Config, Emulator};
use tokio::{
    io::{AsyncRead, AsyncReadExt, ReadBuf},
    task::JoinSet,
};

const LEN: u64 = 256 << 20;
const BUCKET: &str = "bench";
const KEY: &str = "alias/bench";
/// As many parts at a time as the vault sends.
const CONCURRENCY: usize = 3;

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    match env::args().nth(1).as_deref() {
        Some("emulator") => emulator().await,
        Some(runs) => compare(runs.parse()?).await,
        None => compare(5).await,
    }
}

/// S3 and KMS, until standard input closes.
async fn emulator() -> Result<(), Error> {
    let folder = tempfile::tempdir()?;
    let mut config = Config::new(folder.path());
    config.buckets.push(BucketConfig::unversioned(BUCKET));
    config.key_aliases.push(KEY.to_owned());
    let emulator = Emulator::start(config).await?;
    println!("{}", emulator.s3_url());
    println!("{}", emulator.kms_url());
    println!("{}", emulator.access_key_id());
    println!("{}", emulator.secret_access_key());
    tokio::task::spawn_blocking(|| io::stdin().read_line(&mut String::new())).await??;
    emulator.shutdown().await;
    Ok(())
}

struct Service {
    process: Child,
    s3: String,
    kms: String,
    credentials: (String, String),
}

impl Service {
    fn start() -> Result<Self, Error> {
        let mut process = Command::new(env::current_exe()?)
            .arg("emulator")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().ok_or("no output")?;
        let mut lines = BufReader::new(output).lines();
        let mut line = || -> Result<String, Error> { Ok(lines.next().ok_or("no line")??) };
        Ok(Self {
            s3: line()?,
            kms: line()?,
            credentials: (line()?, line()?),
            process,
        })
    }

    fn stop(mut self) -> Result<(), Error> {
        drop(self.process.stdin.take());
        self.process.wait()?;
        Ok(())
    }
}

async fn compare(runs: usize) -> Result<(), Error> {
    let service = Service::start()?;
    let config = ClientsConfig {
        s3_endpoint: Some(service.s3.clone()),
        kms_endpoint: Some(service.kms.clone()),
        region: Some("us-east-1".to_owned()),
        credentials: Some(service.credentials.clone()),
        s3_timeout: Duration::from_secs(120),
        ..ClientsConfig::default()
    };
    let clients = config.connect().await;
    let vault = Vault::new(clients.s3.clone(), BUCKET, KmsKey::new(clients.kms, KEY));
    let key = ObjectKey::parse("bench/file")?;
    let options = PutOptions::default().exact_len(LEN);

    // Connections, and whatever else is made once.
    vault
        .put(&key, vec![0; 1000], &options.clone().exact_len(1000))
        .await?;
    let start = memory("VmRSS")?;
    println!(
        "256 MiB in parts of 8 MiB, {CONCURRENCY} at a time; at the start {start} KiB resident"
    );

    let (mut sealed, mut plain, mut opened) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..runs {
        // In turns, so that neither always goes first.
        for step in [run % 2, 1 - run % 2] {
            reset_peak()?;
            let begun = Instant::now();
            if step == 0 {
                vault.put_reader(&key, Source(LEN), &options).await?;
                sealed.push((begun.elapsed(), memory("VmHWM")?));
            } else {
                plain_put(&clients.s3, "plain").await?;
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
        let status = Command::new(python)
            .args([script, BUCKET, KEY, &LEN.to_string()])
            .env("AWS_ENDPOINT_URL_S3", &service.s3)
            .env("AWS_ENDPOINT_URL_KMS", &service.kms)
            .env("AWS_ACCESS_KEY_ID", &service.credentials.0)
            .env("AWS_SECRET_ACCESS_KEY", &service.credentials.1)
            .status()?;
        if !status.success() {
            return Err("the Python client failed".into());
        }
    }
    service.stop()
}

/// Prints the median time and the highest peak; answers the median in seconds.
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

async fn plain_put(s3: &Client, key: &str) -> Result<(), Error> {
    let upload = s3.create_multipart_upload().bucket(BUCKET).key(key);
    let upload = upload
        .checksum_algorithm(ChecksumAlgorithm::Crc32)
        .send()
        .await?;
    let upload_id = upload.upload_id.ok_or("no upload id")?;
    let mut source = Source(LEN);
    let mut parts = JoinSet::new();
    let mut completed = Vec::new();
    for number in 1.. {
        let mut part = Vec::with_capacity(PART_LEN);
        (&mut source)
            .take(PART_LEN as u64)
            .read_to_end(&mut part)
            .await?;
        if part.is_empty() {
            break;
        }
        if parts.len() >= CONCURRENCY {
            completed.extend(parts.join_next().await.transpose()?.transpose()?);
        }
        let request = s3
            .upload_part()
            .bucket(BUCKET)
            .key(key)
            .upload_id(&upload_id);
        let request = request
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .body(ByteStream::from(part));
        parts.spawn(async move {
            let answer = request.send().await?;
            Ok::<_, Error>(
                CompletedPart::builder()
                    .part_number(number)
                    .set_e_tag(answer.e_tag)
                    .set_checksum_crc32(answer.checksum_crc32)
                    .build(),
            )
        });
    }
    while let Some(part) = parts.join_next().await {
        completed.push(part??);
    }
    completed.sort_by_key(CompletedPart::part_number);
    let completed = CompletedMultipartUpload::builder()
        .set_parts(Some(completed))
        .build();
    let complete = s3.complete_multipart_upload().bucket(BUCKET).key(key);
    complete
        .upload_id(upload_id)
        .multipart_upload(completed)
        .send()
        .await?;
    Ok(())
}

/// This many bytes, made as they are read.
struct Source(u64);

impl AsyncRead for Source {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let len = self.0.min(buffer.remaining().min(64 << 10) as u64) as usize;
        buffer.initialize_unfilled_to(len).fill(self.0 as u8);
        buffer.advance(len);
        self.0 -= len as u64;
        Poll::Ready(Ok(()))
    }
}

/// A line of `/proc/self/status`, in KiB.
fn memory(name: &str) -> Result<u64, Error> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(value.ok_or("no such line")?.parse()?)
}

/// Makes `VmHWM` begin again at what is resident now.
fn reset_peak() -> io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}
