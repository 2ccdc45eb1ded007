//! Bodies stream: memory does not depend on the size of objects.
#![cfg(target_os = "linux")]

use aws_sdk_s3::primitives::ByteStream;

use crate::{BUCKET, clients::refused, durability::Process, requests::Bucket};

#[tokio::test]
async fn memory_stays_constant() {
    stream_through(128 << 20).await;
}

#[tokio::test]
#[ignore = "a soak test: needs 2 GiB of disk and some time"]
async fn memory_stays_constant_for_2_gib() {
    stream_through(2 << 30).await;
}

/// Uploads and downloads an object of this size. The peak of the emulator's memory must not rise.
#[expect(clippy::print_stdout, reason = "the figures are for people")]
async fn stream_through(size: u64) {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    // A sparse file takes no space.
    std::fs::File::create(&source)
        .unwrap()
        .set_len(size)
        .unwrap();
    let process = Process::start(&folder.path().join("data"));
    let bucket = Bucket::new(process.s3.clone(), BUCKET);
    let id = process.child.id();
    bucket.write("small", vec![0; 4 << 20]).await;
    let before = peak_kib(id);
    let body = ByteStream::from_path(&source).await.unwrap();
    bucket.write("large", body).await;
    let mut got = bucket.get("large").send().await.unwrap();
    let mut received = 0;
    while let Some(chunk) = got.body.try_next().await.unwrap() {
        received += chunk.len() as u64;
    }
    assert_eq!(received, size);
    let beyond = bucket.get("large").range(format!("bytes={size}-"));
    assert_eq!(refused(beyond.send().await).0, 416);
    let grown = peak_kib(id) - before;
    println!("{size} bytes: peak {before} KiB, grown by {grown} KiB");
    assert!(grown < 16 * 1024, "grown by {grown} KiB");
    process.kill();
}

/// The peak resident set size of a process.
fn peak_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
