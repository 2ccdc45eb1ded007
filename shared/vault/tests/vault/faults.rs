//! S3 and KMS fail in every way: nothing half-done is visible or left behind, and the next request
//! works.

use std::{
    io,
    time::{Duration, SystemTime},
};

use caas_aws::PutOptions;
use caas_testing::{Fault, ProxiedRequest, VAULT, bytes};
use caas_vault::{GetError, PART_LEN, PutError};
use tokio::{io::AsyncReadExt, sync::oneshot};

use crate::support::{Stack, key};

const NAME: &str = "acme/file";

/// Faults that last, each with the requests that it hits.
type Rule = fn(&ProxiedRequest<'_>) -> Fault;

fn is_part(request: &ProxiedRequest<'_>) -> bool {
    request.path_and_query.contains("partNumber=")
}

fn is_create(request: &ProxiedRequest<'_>) -> bool {
    request.method == "POST" && request.path_and_query.contains("uploads")
}

fn is_complete(request: &ProxiedRequest<'_>) -> bool {
    request.method == "POST" && request.path_and_query.contains("uploadId=")
}

fn is_abort(request: &ProxiedRequest<'_>) -> bool {
    request.method == "DELETE"
}

fn is_write(request: &ProxiedRequest<'_>) -> bool {
    matches!(request.method, "PUT" | "POST")
}

fn hit(hit: bool, fault: Fault) -> Fault {
    if hit { fault } else { Fault::Forward }
}

const TOO_LONG: Duration = Duration::from_secs(3_600);

const S3_FAULTS: &[(&str, Rule)] = &[
    ("503", |request| hit(is_write(request), Fault::slow_down())),
    ("500", |request| {
        hit(is_write(request), Fault::internal_error())
    }),
    ("slow", |request| {
        hit(is_write(request), Fault::DelayRequest(TOO_LONG))
    }),
    ("cut at once", |request| {
        hit(request.method == "PUT", Fault::CutRequest(0))
    }),
    ("cut in a part", |request| {
        hit(is_part(request), Fault::CutRequest(3 << 20))
    }),
    ("no part but the first", |request| {
        let first = request.path_and_query.contains("partNumber=1&");
        hit(is_part(request) && !first, Fault::internal_error())
    }),
    ("cut after the last part", |request| {
        hit(is_complete(request), Fault::CutRequest(0))
    }),
    ("refused at the end", |request| {
        hit(is_complete(request), Fault::slow_down())
    }),
    ("one abort fails too", |request| {
        hit(
            is_complete(request) || (is_abort(request) && request.number % 2 == 0),
            Fault::internal_error(),
        )
    }),
    ("access denied", |request| {
        let denied = Fault::s3(403, "AccessDenied");
        hit(is_write(request), denied)
    }),
];

#[tokio::test]
async fn s3_fails_while_a_file_is_put() {
    let stack = Stack::with_proxies().await;
    for (what, rule) in S3_FAULTS {
        for len in [100, 3 * PART_LEN] {
            stack.proxies.s3.set_rule(*rule);
            let (name, options) = (key(NAME), PutOptions::default());
            let put = stack.vault.put(&name, bytes(len), &options).await;
            let about_parts =
                what.contains("part") || what.contains("end") || what.contains("abort");
            if len == 100 && about_parts {
                put.unwrap();
                stack.vault.purge(&key(NAME)).await.unwrap();
                continue;
            }
            assert!(matches!(put, Err(PutError::Unavailable)), "{what}: {put:?}");
            assert_eq!(stack.visible(VAULT).await, [""; 0], "{what}");
            assert_eq!(stack.multipart_uploads(VAULT).await, 0, "{what}");
        }
        stack.proxies.s3.clear_rule();
        let len = PART_LEN + 1;
        stack.put(&key(NAME), bytes(len)).await;
        assert_eq!(stack.get(&key(NAME)).await, bytes(len));
        stack.vault.purge(&key(NAME)).await.unwrap();
    }
}

/// An upload whose id never arrives cannot be aborted by the put. It is not visible, and a sweep finds
/// it.
#[tokio::test]
async fn uploads_whose_begin_was_not_answered_are_swept() {
    let stack = Stack::with_proxies().await;
    stack
        .proxies
        .s3
        .set_rule(|request| hit(is_create(request), Fault::DropResponse));
    let (name, options) = (key(NAME), PutOptions::default());
    let put = stack.vault.put(&name, bytes(PART_LEN + 1), &options).await;
    assert!(matches!(put, Err(PutError::Unavailable)), "{put:?}");
    assert_eq!(stack.visible(VAULT).await, [""; 0]);
    let left = stack.multipart_uploads(VAULT).await;
    assert!(left > 0);

    let swept = stack.vault.abort_uploads(SystemTime::UNIX_EPOCH).await;
    assert_eq!(swept, Ok(0));
    let later = SystemTime::now() + Duration::from_secs(60);
    assert_eq!(stack.vault.abort_uploads(later).await, Ok(left));
    assert_eq!(stack.multipart_uploads(VAULT).await, 0);
}

#[tokio::test]
async fn one_fault_at_any_request_is_survived() {
    let stack = Stack::with_proxies().await;
    let faults = [
        Fault::slow_down(),
        Fault::internal_error(),
        Fault::CutRequest(0),
        Fault::DropResponse, // S3 has acted
    ];
    for fault in faults {
        for at in 0..5 {
            for len in [100, PART_LEN + 100] {
                let fault = fault.clone();
                let options = PutOptions::default().if_absent();
                stack
                    .proxies
                    .s3
                    .set_rule(move |request| hit(request.number == at, fault.clone()));
                let put = stack.vault.put(&key(NAME), bytes(len), &options).await;
                assert!(put.is_ok(), "at {at}: {put:?}");
                stack.proxies.s3.clear_rule();
                let opened = stack.vault.get(&key(NAME), 1 << 30).await.unwrap();
                assert!(opened.content == bytes(len));
                assert_eq!(opened.info.e_tag, put.unwrap().e_tag);
                stack.vault.purge(&key(NAME)).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn s3_fails_while_a_file_is_got() {
    let stack = Stack::with_proxies().await;
    let folder = tempfile::tempdir().unwrap();
    let destination = folder.path().join("file");
    let content = bytes(PART_LEN + 100);
    stack.put(&key(NAME), content.clone()).await;
    for fault in [
        Fault::slow_down(),
        Fault::internal_error(),
        Fault::DelayResponse(TOO_LONG),
        Fault::CutResponse(0),
        Fault::CutResponse(100_000),
        Fault::CutResponse(PART_LEN as u64 + 100),
        Fault::DropResponse,
    ] {
        let what = format!("{fault:?}");
        stack.proxies.s3.set_rule(move |_| fault.clone());
        let opened = stack.vault.get(&key(NAME), 1 << 30).await;
        assert!(matches!(opened, Err(GetError::Unavailable)), "{what}");
        let opened = stack.vault.get_to_file(&key(NAME), &destination).await;
        assert!(matches!(opened, Err(GetError::Unavailable)), "{what}");
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 0, "{what}");

        if !what.contains("CutResponse") {
            assert!(stack.vault.head(&key(NAME)).await.is_err(), "{what}");
            let acme = "acme".parse().unwrap();
            assert!(stack.vault.list(&acme, 9, None).await.is_err(), "{what}");
            assert!(stack.vault.purge(&key(NAME)).await.is_err(), "{what}");
        }
        stack.proxies.s3.clear_rule();
        assert!(stack.get(&key(NAME)).await == content);
    }
}

#[tokio::test]
async fn kms_fails() {
    let stack = Stack::with_proxies().await;
    let content = bytes(PART_LEN + 100);
    stack.put(&key(NAME), content.clone()).await;
    let disabled = Fault::kms(400, "DisabledException");
    for fault in [
        disabled,
        Fault::kms_throttled(),
        Fault::kms_internal(),
        Fault::DelayRequest(TOO_LONG),
        Fault::CutRequest(0),
        Fault::CutResponse(10),
        Fault::DropResponse,
    ] {
        let what = format!("{fault:?}");
        stack.proxies.kms.set_rule(move |_| fault.clone());
        for len in [100, PART_LEN + 100] {
            let writes = stack.emulator.calls();
            let name = key("acme/other");
            let options = PutOptions::default();
            let put = stack.vault.put(&name, bytes(len), &options).await;
            assert!(matches!(put, Err(PutError::Unavailable)), "{what}: {put:?}");
            assert_eq!(stack.emulator.calls().since(&writes).s3(), 0, "{what}");
        }
        let opened = stack.vault.get(&key(NAME), 1 << 30).await;
        assert!(matches!(opened, Err(GetError::Unavailable)), "{what}");
        stack.proxies.kms.clear_rule();
        assert!(stack.get(&key(NAME)).await == content);
    }
    assert_eq!(stack.visible(VAULT).await, [NAME]);
}

/// Whoever may use the KMS key can wrap anything with it. No retry mends that.
#[tokio::test]
async fn an_unwrapped_key_of_another_length_is_damage() {
    let stack = Stack::with_proxies().await;
    stack.put(&key(NAME), bytes(100)).await;
    let body = r#"{"KeyId":"k","Plaintext":"AAAAAAAAAAAAAAAAAAAAAA=="}"#;
    let short = Fault::Respond(200, "application/x-amz-json-1.1", body.to_owned());
    stack.proxies.kms.set_rule(move |_| short.clone());
    let opened = stack.vault.get(&key(NAME), 1 << 30).await;
    assert!(matches!(opened, Err(GetError::NotAuthentic)), "{opened:?}");
}

#[tokio::test]
async fn a_source_that_breaks_or_lies_leaves_nothing() {
    let stack = Stack::start().await;
    let (vault, name, options) = (&stack.vault, key(NAME), PutOptions::default);
    for len in [100, 2 * PART_LEN] {
        let content = bytes(len);
        let broken = (&content[..]).chain(Broken);
        let put = vault.put_reader(&name, broken, &options()).await;
        assert!(matches!(put, Err(PutError::Source(_))), "{put:?}");

        for announced in [len as u64 - 1, len as u64 + 1] {
            let options = options().exact_len(announced);
            let put = vault.put_reader(&name, &content[..], &options).await;
            assert!(matches!(put, Err(PutError::WrongLength)), "{put:?}");
        }
        let options = options().max_len(len as u64 - 1);
        let put = vault.put_reader(&name, &content[..], &options).await;
        assert!(matches!(put, Err(PutError::TooLarge { .. })), "{put:?}");
    }
    assert_eq!(stack.visible(VAULT).await, [""; 0]);
    assert_eq!(stack.multipart_uploads(VAULT).await, 0);
}

/// An error, after the content.
struct Broken;

impl tokio::io::AsyncRead for Broken {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Err(io::Error::other("broken")))
    }
}

#[tokio::test]
async fn a_put_that_is_dropped_is_aborted() {
    let stack = Stack::start().await;
    let (reached, at_the_end) = oneshot::channel();
    let content = bytes(4 * PART_LEN);
    let vault = stack.vault.clone();
    let put = tokio::spawn(async move {
        let source = content.chain(Silent(Some(reached)));
        vault
            .put_reader(&key(NAME), source, &PutOptions::default())
            .await
    });
    at_the_end.await.unwrap(); // all of the content has been read, parts are under way
    assert_eq!(stack.multipart_uploads(VAULT).await, 1);
    put.abort();
    assert!(put.await.unwrap_err().is_cancelled());
    let forgotten = async { while stack.multipart_uploads(VAULT).await > 0 {} };
    tokio::time::timeout(Duration::from_secs(30), forgotten)
        .await
        .unwrap();
    assert_eq!(stack.visible(VAULT).await, [""; 0]);
}

/// Says when it is read, and never has a byte.
struct Silent(Option<oneshot::Sender<()>>);

impl tokio::io::AsyncRead for Silent {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        if let Some(reached) = self.0.take() {
            let _ = reached.send(());
        }
        std::task::Poll::Pending
    }
}
