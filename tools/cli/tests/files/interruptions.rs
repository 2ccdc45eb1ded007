//! Transfers that are killed or interrupted at half, and go on.

use std::{
    fs::{self, File},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use caas_testing::{Fault, ProxiedRequest, VAULT};
use tokio::sync::Semaphore;

use crate::support::{Ended, Stack, large};

/// How many parts or ranges pass before the signal; there are nine parts.
const PASSED: u64 = 5;

/// The length of a range of a download.
const RANGE: u64 = 4 << 20;

/// Connections of a transfer.
const CONNECTIONS: u32 = 4;

const FOREVER: Duration = Duration::from_secs(3_600);

type IsTransfer = fn(&ProxiedRequest<'_>) -> bool;

fn is_part(request: &ProxiedRequest<'_>) -> bool {
    request.method == "PUT" && request.path_and_query.contains("partNumber=")
}

fn is_range(request: &ProxiedRequest<'_>) -> bool {
    request.method == "GET" && request.path_and_query.contains("X-Amz-Signature=")
}

/// Runs the program and sends it this signal in the middle of its transfer, once all that passed is
/// recorded.
async fn stopped(
    stack: &Stack,
    mut caas: Command,
    is_transfer: IsTransfer,
    is_recorded: impl Fn() -> bool,
    signal: &str,
) -> Ended {
    let (seen, held) = (AtomicU64::new(0), Arc::new(Semaphore::new(0)));
    let holds = Arc::clone(&held);
    stack.proxies.s3.set_rule(move |request| {
        if !is_transfer(request) || seen.fetch_add(1, Ordering::Relaxed) < PASSED {
            return Fault::Forward;
        }
        holds.add_permits(1);
        Fault::DelayRequest(FOREVER)
    });
    let child = caas.spawn().unwrap();
    held.acquire_many(CONNECTIONS).await.unwrap().forget();
    while !is_recorded() {
        tokio::task::yield_now().await;
    }
    let process = child.id().to_string();
    let sent = Command::new("kill").args([signal, &process]).status();
    assert!(sent.unwrap().success());
    let ended = child.wait_with_output().unwrap().into();
    stack.proxies.s3.clear_rule();
    ended
}

/// Runs the program, and returns its end and how many transfers it made.
fn resumed(stack: &Stack, arguments: &[&str], is_transfer: IsTransfer) -> (Ended, u64) {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    stack.proxies.s3.set_rule(move |request| {
        counted.fetch_add(is_transfer(request).into(), Ordering::Relaxed);
        Fault::Forward
    });
    let ended = stack.run(arguments);
    stack.proxies.s3.clear_rule();
    (ended, count.load(Ordering::Relaxed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfers_that_are_stopped_at_half_go_on() {
    let stack = Stack::start().await;
    let content = large();
    stack.file("film", &content);
    for signal in ["-KILL", "-INT", "-TERM"] {
        let is_said = |ended: &Ended, next: &str| match signal {
            "-KILL" => assert_eq!(ended.code, None),
            _ => ended.failed(130, &["interrupted", "run the same command again", next]),
        };
        let put = ["put", "film"];
        let ended = stopped(&stack, stack.caas(&put), is_part, || true, signal).await;
        is_said(&ended, "to go on");
        assert_eq!(stack.visible(VAULT).await, [""; 0], "{signal}");
        assert_eq!(stack.journals().len(), 1, "{signal}");
        let (ended, parts) = resumed(&stack, &put, is_part);
        let id = ended.lines(0)[0].split_once("  ").unwrap().0;
        assert_eq!(parts, 9 - PASSED, "{signal}");
        assert_eq!(stack.journals(), [""; 0], "{signal}");

        let get = ["get", id, "-o", "copy"];
        let part = stack.path("copy.part");
        let arrived = || fs::metadata(&part).map_or(0, |part| part.len());
        // The last that passes may be behind one that waits, and then it is in memory.
        let is_recorded = || arrived() >= (PASSED - 1) * RANGE - 16;
        let ended = stopped(&stack, stack.caas(&get), is_range, is_recorded, signal).await;
        is_said(&ended, "FILE.part");
        let files = ["copy.part", "copy.part.json", "film"];
        assert_eq!(stack.files(), files, "{signal}");
        let left = content.len() as u64 + 16 - arrived();
        let (ended, ranges) = resumed(&stack, &get, is_range);
        assert_eq!(ended.lines(0), ["copy"]);
        assert_eq!(ranges, left.div_ceil(RANGE), "{signal}");
        assert_eq!(stack.files(), ["copy", "film"], "{signal}");
        assert!(fs::read(stack.path("copy")).unwrap() == content, "{signal}");

        fs::remove_file(stack.path("copy")).unwrap();
        assert_eq!(stack.run(&["rm", "film", "--purge", "-y"]).code, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_go_on_leaves_nothing() {
    let stack = Stack::start().await;
    let content = large();
    let film = stack.file("film", &content);
    let id = &*stack.stored("film", &content);
    let get = stack.caas(&["get", id, "-o", "-"]);
    let ended = stopped(&stack, get, is_range, || true, "-INT").await;
    ended.failed(130, &["begins anew"]);
    let mut put = stack.caas(&["put", "-", "--name", "other"]);
    put.stdin(File::open(film).unwrap());
    let ended = stopped(&stack, put, is_part, || true, "-INT").await;
    ended.failed(130, &["has to be sent again"]);
    assert_eq!(stack.multipart_uploads(VAULT).await, 0);
    assert_eq!(stack.visible(VAULT).await.len(), 1);
    assert_eq!((stack.temporary(), stack.journals()), (vec![], vec![]));
}
