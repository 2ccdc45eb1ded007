//! Connections break, services are down: a transfer resumes, starts over, or fails and leaves
//! nothing behind.

use std::{
    fs,
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
};

use caas_aws::{KmsKey, ObjectKey, PutOptions};
use caas_client::{DownloadError, Mode, ServiceError, UploadError};
use caas_testing::{Fault, INBOX, ProxiedRequest, VAULT, bytes};
use caas_vault::Vault;
use http::StatusCode;

use crate::support::{Stack, ignore, is_empty, key_of};

const LEN: usize = 1_000_000;
const STORED: u64 = LEN as u64 + 16;

fn is_presigned(request: &ProxiedRequest<'_>, method: &str) -> bool {
    request.method == method && request.path_and_query.contains("X-Amz-Signature")
}

/// Applies `fault` to the presigned requests of this method, by their number.
fn nth(
    method: &'static str,
    fault: impl Fn(u64) -> Fault + Send + Sync + 'static,
) -> (
    Arc<AtomicU64>,
    impl Fn(&ProxiedRequest<'_>) -> Fault + Send + Sync + 'static,
) {
    let count = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&count);
    let rule = move |request: &ProxiedRequest<'_>| {
        if is_presigned(request, method) {
            fault(counter.fetch_add(1, Ordering::Relaxed))
        } else {
            Fault::Forward
        }
    };
    (count, rule)
}

async fn stored(stack: &Stack) -> String {
    let path = stack.file("a", &bytes(LEN));
    stack.upload(&path, Mode::Client).await.unwrap().id
}

#[tokio::test]
async fn a_download_goes_on_where_it_was_cut() {
    let stack = Stack::start().await;
    let id = stored(&stack).await;
    let folder = stack.destination();
    let copy = folder.path().join("copy");
    let mut cuts: Vec<u64> = (0..=10).map(|tenth| STORED * tenth / 10).collect();
    cuts.extend([1, STORED - 17, STORED - 16, STORED - 15, STORED - 1]);
    for cut in cuts {
        let (count, rule) = nth("GET", move |number| match number {
            0 => Fault::CutResponse(cut),
            _ => Fault::Forward,
        });
        stack.proxies.s3.set_rule(rule);
        let before = stack.emulator.calls();
        stack.client.download(&id, &copy, ignore).await.unwrap();
        assert!(fs::read(&copy).unwrap() == bytes(LEN), "cut after {cut}");
        // All of it came before the cut, or one more request was needed.
        let requests = count.load(Ordering::Relaxed);
        assert!(requests == 2 || cut == STORED, "cut after {cut}");
        let calls = stack.emulator.calls().since(&before);
        assert_eq!(calls.kms(), 1, "cut after {cut}: one grant");
    }
    // Every connection is cut after a tenth.
    let (count, rule) = nth("GET", |_| Fault::CutResponse(STORED / 10));
    stack.proxies.s3.set_rule(rule);
    stack.client.download(&id, &copy, ignore).await.unwrap();
    assert!(fs::read(&copy).unwrap() == bytes(LEN));
    assert_eq!(count.load(Ordering::Relaxed), 11);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_download_gives_up_when_nothing_comes() {
    let stack = Stack::start().await;
    let id = stored(&stack).await;
    let folder = stack.destination();
    for fault in [
        Fault::CutResponse(0),
        Fault::DropResponse,
        Fault::slow_down(),
        Fault::internal_error(),
    ] {
        let case = format!("{fault:?}");
        let (count, rule) = nth("GET", move |number| match number {
            0 => Fault::CutResponse(STORED / 2),
            _ => fault.clone(),
        });
        stack.proxies.s3.set_rule(rule);
        let copy = folder.path().join("copy");
        let error = stack.client.download(&id, &copy, ignore).await.unwrap_err();
        assert!(
            matches!(error, DownloadError::Unavailable),
            "{case}: {error:?}"
        );
        // Four attempts, of which the first brought one half.
        assert_eq!(count.load(Ordering::Relaxed), 4, "{case}");
        assert!(is_empty(folder.path()), "{case}");
    }
}

#[tokio::test]
async fn a_grant_that_expired_is_renewed() {
    let stack = Stack::start().await;
    let id = stored(&stack).await;
    let folder = stack.destination();
    let copy = folder.path().join("copy");
    let expired = || Fault::Respond {
        status: StatusCode::FORBIDDEN,
        content_type: "application/xml",
        body: "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
            .to_owned(),
    };
    let (count, rule) = nth("GET", move |number| match number {
        0 => Fault::CutResponse(STORED / 2),
        1 => expired(),
        _ => Fault::Forward,
    });
    stack.proxies.s3.set_rule(rule);
    let before = stack.emulator.calls();
    stack.client.download(&id, &copy, ignore).await.unwrap();
    assert!(fs::read(&copy).unwrap() == bytes(LEN));
    assert_eq!(stack.emulator.calls().since(&before).kms(), 2);
    assert_eq!(count.load(Ordering::Relaxed), 3);
    fs::remove_file(&copy).unwrap();

    stack.proxies.s3.set_rule(nth("GET", move |_| expired()).1);
    let error = stack.client.download(&id, &copy, ignore).await.unwrap_err();
    assert!(matches!(error, DownloadError::Refused(403)), "{error:?}");
    assert!(is_empty(folder.path()));
}

/// The renewed grant is for another version: nothing of the first may be in the file.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_replaced_meanwhile_comes_anew() {
    let stack = Stack::start().await;
    let id = stored(&stack).await;
    let key = ObjectKey::parse(&key_of(&id)).unwrap();
    let files = KmsKey::new(stack.clients.kms.clone(), "alias/files");
    let vault = Vault::new(stack.clients.s3.clone(), VAULT, files);
    for len in [LEN, LEN + 1, LEN / 3, 0] {
        let content = vec![len as u8; len];
        let (_, rule) = nth("GET", move |number| match number {
            0 => Fault::CutResponse(STORED / 2),
            1 => Fault::s3(403, "AccessDenied"),
            _ => Fault::Forward,
        });
        stack.proxies.s3.set_rule(rule);
        let folder = stack.destination();
        let copy = folder.path().join("copy");
        let mut replaced = false;
        let progress = |_| {
            if !std::mem::replace(&mut replaced, true) {
                tokio::task::block_in_place(|| {
                    let handle = tokio::runtime::Handle::current();
                    let options = PutOptions::default();
                    handle
                        .block_on(vault.put(&key, content.clone(), &options))
                        .unwrap();
                });
            }
        };
        let downloaded = stack.client.download(&id, &copy, progress).await.unwrap();
        assert_eq!(downloaded.size, len as u64);
        assert!(fs::read(&copy).unwrap() == content, "{len}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        // As it was, for the next case.
        let first = PutOptions::default();
        vault.put(&key, bytes(LEN), &first).await.unwrap();
    }
}

#[tokio::test]
async fn an_upload_that_was_cut_begins_again() {
    let stack = Stack::start().await;
    let path = stack.file("a", &bytes(LEN));
    for (mode, bucket) in [(Mode::Client, VAULT), (Mode::Inbox, INBOX)] {
        for tenth in 0..10 {
            let cut = STORED * tenth / 10;
            let (count, rule) = nth("PUT", move |number| match number {
                0 => Fault::CutRequest(cut),
                _ => Fault::Forward,
            });
            stack.proxies.s3.set_rule(rule);
            let before = stack.emulator.calls();
            let uploaded = stack.upload(&path, mode).await.unwrap();
            assert_eq!(count.load(Ordering::Relaxed), 2, "{mode:?} cut after {cut}");
            assert_eq!(stack.visible(bucket).await, [key_of(&uploaded.id)]);
            // A new key for every attempt: what a cut connection took may have been other content.
            let keys = stack.emulator.calls().since(&before).kms();
            assert_eq!(keys, if mode == Mode::Client { 2 } else { 0 });
            remove(&stack, bucket, &key_of(&uploaded.id)).await;
        }
    }
}

async fn remove(stack: &Stack, bucket: &str, key: &str) {
    let request = stack.clients.s3.delete_object().bucket(bucket).key(key);
    request.send().await.unwrap();
}

#[tokio::test]
async fn an_upload_whose_answer_was_lost_is_not_stored_twice() {
    let stack = Stack::start().await;
    let path = stack.file("a", &bytes(LEN));
    for (mode, bucket, puts) in [(Mode::Client, VAULT, 1), (Mode::Inbox, INBOX, 2)] {
        let (count, rule) = nth("PUT", |number| match number {
            0 => Fault::DropResponse,
            _ => Fault::Forward,
        });
        stack.proxies.s3.set_rule(rule);
        let uploaded = stack.upload(&path, mode).await.unwrap();
        assert_eq!(stack.visible(bucket).await, [key_of(&uploaded.id)]);
        assert_eq!(count.load(Ordering::Relaxed), puts, "{mode:?}");
    }
}

#[tokio::test]
async fn an_upload_gives_up_when_nothing_is_taken() {
    let stack = Stack::start().await;
    let path = stack.file("a", &bytes(LEN));
    for mode in [Mode::Client, Mode::Inbox] {
        let too_slow = Fault::s3(400, "RequestTimeout");
        for fault in [Fault::CutRequest(0), Fault::slow_down(), too_slow] {
            let case = format!("{mode:?} {fault:?}");
            let (count, rule) = nth("PUT", move |_| fault.clone());
            stack.proxies.s3.set_rule(rule);
            let error = stack.upload(&path, mode).await.unwrap_err();
            assert!(
                matches!(error, UploadError::Unavailable),
                "{case}: {error:?}"
            );
            assert_eq!(count.load(Ordering::Relaxed), 4, "{case}");
        }
    }
    let bad = Fault::s3(400, "EntityTooLarge");
    let (count, rule) = nth("PUT", move |_| bad.clone());
    stack.proxies.s3.set_rule(rule);
    let error = stack.upload(&path, Mode::Client).await.unwrap_err();
    assert!(matches!(error, UploadError::Refused(400)), "{error:?}");
    assert_eq!(count.load(Ordering::Relaxed), 1);
    let denied = Fault::s3(403, "AccessDenied");
    stack
        .proxies
        .s3
        .set_rule(nth("PUT", move |_| denied.clone()).1);
    let error = stack.upload(&path, Mode::Client).await.unwrap_err();
    assert!(matches!(error, UploadError::Refused(403)), "{error:?}");
    assert!(stack.visible(VAULT).await.is_empty() && stack.visible(INBOX).await.is_empty());
}

#[tokio::test]
async fn the_service_may_be_away_for_a_moment() {
    let stack = Stack::start().await;
    let path = stack.file("a", &bytes(LEN));
    let folder = stack.destination();
    let copy = folder.path().join("copy");
    let unavailable = || Fault::Respond {
        status: StatusCode::SERVICE_UNAVAILABLE,
        content_type: "application/problem+json",
        body: r#"{"type":"/problems/dependency-unavailable"}"#.to_owned(),
    };
    // Of four attempts at each call three fail.
    stack
        .service_proxy
        .set_rule(move |request| match request.number % 4 {
            0 => unavailable(),
            1 => Fault::CutRequest(0),
            2 => Fault::DropResponse,
            _ => Fault::Forward,
        });
    let id = stack.upload(&path, Mode::Client).await.unwrap().id;
    stack.client.download(&id, &copy, ignore).await.unwrap();
    assert!(fs::read(&copy).unwrap() == bytes(LEN));

    stack.service_proxy.set_rule(move |_| unavailable());
    let error = stack.upload(&path, Mode::Client).await.unwrap_err();
    assert!(matches!(
        error,
        UploadError::Service(ServiceError::Unavailable)
    ));
    let other = folder.path().join("other");
    let error = stack
        .client
        .download(&id, &other, ignore)
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        DownloadError::Service(ServiceError::Unavailable)
    ));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
