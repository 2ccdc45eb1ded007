//! Many at once.

use std::{collections::BTreeSet, time::Duration};

use caas_testing::{Fault, FaultProxy};
use futures::future::join_all;

use crate::support::{Options, Process, Stack, USER, record_of};

/// Runs all of them, on several threads.
async fn all<T: Send + 'static>(
    calls: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = calls.into_iter().map(tokio::spawn).collect();
    join_all(tasks)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

/// Runs so many at a time: a busy machine would take longer for all than a request may take.
async fn in_waves<T: Send + 'static>(
    mut calls: Vec<impl Future<Output = T> + Send + 'static>,
    size: usize,
) -> Vec<T> {
    let mut results = Vec::new();
    while !calls.is_empty() {
        let wave = calls.drain(..size.min(calls.len()));
        results.extend(all(wave).await);
    }
    results
}

fn processes(stack: &Stack, count: usize) -> Vec<Process> {
    (0..count).map(|_| stack.process()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_first_requests_agree_on_one_record_and_one_value() {
    let stack = Stack::start().await;
    let processes = processes(&stack, 20);
    let before = stack.emulator.calls();
    let calls = (0..1000).map(|call| {
        let process = processes[call % processes.len()].clone();
        async move { process.digest(USER, "datum").await }
    });
    let digests: BTreeSet<String> = all(calls).await.into_iter().collect();
    let calls = stack.emulator.calls().since(&before);
    assert_eq!(digests.len(), 1, "{digests:?}");
    assert_eq!(stack.record_versions("").await.len(), 1);
    assert_eq!(stack.process().version_numbers(USER).await, [1]);

    // In each process one request asks for all.
    assert!(calls.of("s3:PutObject") <= 20, "{calls:?}");
    assert!(calls.of("kms:GenerateDataKey") <= 20, "{calls:?}");
    assert!(calls.s3() <= 200 && calls.kms() <= 2 * 20, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_first_requests_in_one_process_ask_once() {
    let stack = Stack::start().await;
    let process = stack.process();
    let before = stack.emulator.calls();
    let calls = (0..1000).map(|_| {
        let process = process.clone();
        async move { process.digest(USER, "datum").await }
    });
    let digests: BTreeSet<String> = all(calls).await.into_iter().collect();
    assert_eq!(digests.len(), 1);
    let calls = stack.emulator.calls().since(&before);
    assert_eq!((calls.of("s3:PutObject"), calls.kms()), (1, 1), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_known_before_its_writer_hears_that_it_is_stored() {
    let stack = Stack::start().await;
    let proxy = FaultProxy::start(stack.emulator.s3_addr()).await.unwrap();
    proxy.set_rule(|request| match request.method {
        "PUT" => Fault::DelayResponse(Duration::from_secs(2)),
        _ => Fault::Forward,
    });
    let process = Options {
        s3_url: Some(proxy.url()),
        ..Options::default()
    };
    let process = process.process(&stack);
    let before = stack.emulator.calls();
    let read_meanwhile = async {
        while stack.record_versions("").await.is_empty() {
            tokio::task::yield_now().await;
        }
        process.digest(USER, "datum").await
    };
    let (written, read) = tokio::join!(process.digest(USER, "datum"), read_meanwhile);
    assert_eq!(written, read);
    assert_eq!(stack.requests_since(&before).1, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_users_make_a_thousand_records() {
    let stack = Stack::start().await;
    let process = stack.process();
    let calls = (0..1000).map(|user| {
        let process = process.clone();
        let user = format!("00000000-0000-4000-8000-{user:012}");
        async move { process.digest(&user, "datum").await }
    });
    let digests = in_waves(calls.collect(), 100).await;
    assert_eq!(BTreeSet::from_iter(digests).len(), 1000);
    assert_eq!(stack.record_versions("").await.len(), 1000);
    assert_eq!(stack.emulator.calls().of("s3:PutObject"), 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_rotations_leave_consecutive_versions() {
    let stack = Stack::start().await;
    stack.process().digest(USER, "datum").await;
    let processes = processes(&stack, 25);
    let calls = (0..50).map(|call| {
        let process = processes[call % processes.len()].clone();
        async move { process.rotate(USER).await }
    });
    let mut made = in_waves(calls.collect(), 10).await;
    made.sort_unstable();
    assert_eq!(made, (2..=51).collect::<Vec<_>>());
    let numbers = stack.process().version_numbers(USER).await;
    assert_eq!(numbers, (1..=51).collect::<Vec<_>>());

    // None was written over: each S3 version of the record goes on where the last one ended.
    let mut earlier = Vec::new();
    for version_id in stack.record_versions(&record_of(USER)).await.iter().rev() {
        let keyset = stack.keyset(USER, version_id).await;
        let ids: Vec<_> = keyset.versions().iter().map(|key| key.id()).collect();
        assert_eq!(ids.len(), earlier.len() + 1);
        assert_eq!(ids[..earlier.len()], earlier);
        earlier = ids;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn first_requests_racing_with_shredding_never_leave_a_value_without_its_version() {
    let stack = Stack::start().await;
    let processes = processes(&stack, 4);
    processes[0].digest(USER, "datum").await;
    let calls = (0..40).map(|call| {
        let process = processes[call % processes.len()].clone();
        async move {
            if call % 5 == 0 {
                process.shred(USER).await;
            } else {
                process.seal(USER, "datum").await;
            }
        }
    });
    all(calls).await;
    let value = stack.process().seal(USER, "datum").await;
    let opened = stack.process().decrypt(USER, &value).await;
    assert_eq!(opened.ok()["sensitive_data"], "datum");
    let numbers = stack.process().version_numbers(USER).await;
    assert!(numbers.len() == 1 && numbers[0] <= 9, "{numbers:?}");
}
