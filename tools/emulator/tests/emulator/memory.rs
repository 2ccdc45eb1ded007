//! Bodies stream: memory does not depend on the size of objects.
#![cfg(target_os = "linux")]

use aws_sdk_s3::primitives::ByteStream;

use crate::{BUCKET, durability::Process, get};

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
    let (s3, id) = (&process.s3, process.child.id());
    let warm_up = s3
        .put_object()
        .bucket(BUCKET)
        .key("small")
        .body(vec![0; 4 << 20].into());
    warm_up.send().await.unwrap();
    let before = peak_kib(id);
    let body = ByteStream::from_path(&source).await.unwrap();
    let request = s3.put_object().bucket(BUCKET).key("large").body(body);
    request.send().await.unwrap();
    let mut got = get(s3, "large").await;
    let mut received = 0;
    while let Some(chunk) = got.body.try_next().await.unwrap() {
        received += chunk.len() as u64;
    }
    assert_eq!(received, size);
    let beyond = crate::clients::refused(
        s3.get_object()
            .bucket(BUCKET)
            .key("large")
            .range(format!("bytes={size}-"))
            .send()
            .await,
    );
    assert_eq!(beyond.0, 416);
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
