//! Connections break, services are down: a transfer resumes, starts over, or fails and leaves
//! nothing behind.

use std::{
    fs,
    sync::Arc,
    sync::atomic::{AtomicUsize, Ordering},
};

use caas_aws::{KmsKey, ObjectKey, PutOptions};
use caas_client::{DownloadError, Mode, ServiceError, UploadError};
use caas_testing::{Fault, INBOX, VAULT, bytes};
use caas_vault::Vault;

use crate::support::{Stack, files_in, key_of};

const LEN: usize = 1_000_000;
const STORED: u64 = LEN as u64 + 16;

/// Applies each of the `first` faults to one presigned request of this method, and `rest` to the
/// others. Returns their count.
fn script(
    stack: &Stack,
    method: &'static str,
    first: Vec<Fault>,
    rest: Fault,
) -> impl Fn() -> usize {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    stack.proxies.s3.set_rule(move |request| {
        if request.method != method || !request.path_and_query.contains("X-Amz-Signature") {
            return Fault::Forward;
        }
        let number = counter.fetch_add(1, Ordering::Relaxed);
        first.get(number).unwrap_or(&rest).clone()
    });
    move || count.load(Ordering::Relaxed)
}

#[tokio::test]
async fn a_download_goes_on_where_it_was_cut() {
    let stack = Stack::start().await;
    let id = stack.stored(&bytes(LEN)).await;
    let (folder, copy) = stack.destination();
    let mut cuts: Vec<u64> = (0..=10).map(|tenth| STORED * tenth / 10).collect();
    cuts.extend([1, STORED - 17, STORED - 16, STORED - 15, STORED - 1]);
    for cut in cuts {
        let requests = script(&stack, "GET", vec![Fault::CutResponse(cut)], Fault::Forward);
        let (downloaded, calls) = stack.calls_of(stack.download(&id, &copy)).await;
        downloaded.unwrap();
        assert!(fs::read(&copy).unwrap() == bytes(LEN), "cut after {cut}");
        // All of it came before the cut, or one more request was needed.
        assert!(requests() == 2 || cut == STORED, "cut after {cut}");
        assert_eq!(calls.kms(), 1, "cut after {cut}: one grant");
    }
    // Every connection is cut after a tenth.
    let requests = script(&stack, "GET", vec![], Fault::CutResponse(STORED / 10));
    stack.download(&id, &copy).await.unwrap();
    assert!(fs::read(&copy).unwrap() == bytes(LEN));
    assert_eq!(requests(), 11);
    assert_eq!(files_in(&folder), 1);
}

#[tokio::test]
async fn a_download_gives_up_when_nothing_comes() {
    let stack = Stack::start().await;
    let id = stack.stored(&bytes(LEN)).await;
    let (folder, copy) = stack.destination();
    let (cut, lost) = (Fault::CutResponse(0), Fault::DropResponse);
    for fault in [cut, lost, Fault::slow_down(), Fault::internal_error()] {
        let case = format!("{fault:?}");
        let requests = script(&stack, "GET", vec![Fault::CutResponse(STORED / 2)], fault);
        let error = stack.download(&id, &copy).await.unwrap_err();
        let unavailable = matches!(error, DownloadError::Unavailable);
        assert!(unavailable, "{case}: {error:?}");
        // Four attempts, of which the first brought one half.
        assert_eq!(requests(), 4, "{case}");
        assert_eq!(files_in(&folder), 0, "{case}");
    }
}

#[tokio::test]
async fn a_grant_that_expired_is_renewed() {
    let stack = Stack::start().await;
    let id = stack.stored(&bytes(LEN)).await;
    let (folder, copy) = stack.destination();
    let body = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
    let expired = Fault::Respond(403, "application/xml", body.to_owned());
    let first = vec![Fault::CutResponse(STORED / 2), expired.clone()];
    let requests = script(&stack, "GET", first, Fault::Forward);
    let (downloaded, calls) = stack.calls_of(stack.download(&id, &copy)).await;
    downloaded.unwrap();
    assert!(fs::read(&copy).unwrap() == bytes(LEN));
    assert_eq!(calls.kms(), 2);
    assert_eq!(requests(), 3);
    fs::remove_file(&copy).unwrap();

    let _ = script(&stack, "GET", vec![], expired);
    let error = stack.download(&id, &copy).await.unwrap_err();
    assert!(matches!(error, DownloadError::Refused(403)), "{error:?}");
    assert_eq!(files_in(&folder), 0);
}

/// The renewed grant is for another version: nothing of the first may be in the file.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_replaced_meanwhile_comes_anew() {
    let stack = Stack::start().await;
    let id = stack.stored(&bytes(LEN)).await;
    let key = ObjectKey::parse(&key_of(&id)).unwrap();
    let files = KmsKey::new(stack.clients.kms.clone(), "alias/files");
    let vault = Vault::new(stack.clients.s3.clone(), VAULT, files);
    for len in [LEN, LEN + 1, LEN / 3, 0] {
        let content = vec![len as u8; len];
        let denied = Fault::s3(403, "AccessDenied");
        let first = vec![Fault::CutResponse(STORED / 2), denied];
        let _ = script(&stack, "GET", first, Fault::Forward);
        let (folder, copy) = stack.destination();
        let options = PutOptions::default();
        let mut replaced = false;
        let progress = |_| {
            if !std::mem::replace(&mut replaced, true) {
                let put = vault.put(&key, content.clone(), &options);
                let handle = tokio::runtime::Handle::current();
                tokio::task::block_in_place(|| handle.block_on(put)).unwrap();
            }
        };
        let downloaded = stack.client.download(&id, &copy, progress).await.unwrap();
        assert_eq!(downloaded.size, len as u64);
        assert!(fs::read(&copy).unwrap() == content, "{len}");
        assert_eq!(files_in(&folder), 1);
        // As it was, for the next case.
        vault.put(&key, bytes(LEN), &options).await.unwrap();
    }
}

#[tokio::test]
async fn an_upload_that_was_cut_begins_again() {
    let stack = Stack::start().await;
    let path = stack.file("a", &bytes(LEN));
    for (mode, bucket) in [(Mode::Client, VAULT), (Mode::Inbox, INBOX)] {
        for tenth in 0..10 {
            let cut = STORED * tenth / 10;
            let requests = script(&stack, "PUT", vec![Fault::CutRequest(cut)], Fault::Forward);
            let (uploaded, calls) = stack.calls_of(stack.upload(&path, mode)).await;
            let key = key_of(&uploaded.unwrap().id);
            assert_eq!(requests(), 2, "{mode:?} cut after {cut}");
            // A new key for every attempt: what a cut connection took may have been other content.
            assert_eq!(calls.kms(), if mode == Mode::Client { 2 } else { 0 });
            assert_eq!(stack.visible(bucket).await, [key.as_str()]);
            let delete = stack.clients.s3.delete_object().bucket(bucket).key(key);
            delete.send().await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_upload_whose_answer_was_lost_is_not_stored_twice() {
    let stack = Stack::start().await;
    let path = stack.file("a", &bytes(LEN));
    for (mode, bucket, puts) in [(Mode::Client, VAULT, 1), (Mode::Inbox, INBOX, 2)] {
        let requests = script(&stack, "PUT", vec![Fault::DropResponse], Fault::Forward);
        let uploaded = stack.upload(&path, mode).await.unwrap();
        assert_eq!(stack.visible(bucket).await, [key_of(&uploaded.id)]);
        assert_eq!(requests(), puts, "{mode:?}");
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
            let requests = script(&stack, "PUT", vec![], fault);
            let error = stack.upload(&path, mode).await.unwrap_err();
            let unavailable = matches!(error, UploadError::Unavailable);
            assert!(unavailable, "{case}: {error:?}");
            assert_eq!(requests(), 4, "{case}");
        }
    }
    let requests = script(&stack, "PUT", vec![], Fault::s3(400, "EntityTooLarge"));
    let error = stack.upload(&path, Mode::Client).await.unwrap_err();
    assert!(matches!(error, UploadError::Refused(400)), "{error:?}");
    assert_eq!(requests(), 1);
    let _ = script(&stack, "PUT", vec![], Fault::s3(403, "AccessDenied"));
    let error = stack.upload(&path, Mode::Client).await.unwrap_err();
    assert!(matches!(error, UploadError::Refused(403)), "{error:?}");
    assert!(stack.visible(VAULT).await.is_empty() && stack.visible(INBOX).await.is_empty());
}

#[tokio::test]
async fn the_service_may_be_away_for_a_moment() {
    let stack = Stack::start().await;
    let path = stack.file("a", &bytes(LEN));
    let (folder, copy) = stack.destination();
    let problem = r#"{"type":"/problems/dependency-unavailable"}"#;
    let unavailable = || Fault::Respond(503, "application/problem+json", problem.to_owned());
    // Of four attempts at each call three fail.
    let proxy = &stack.service_proxy;
    proxy.set_rule(move |request| match request.number % 4 {
        0 => unavailable(),
        1 => Fault::CutRequest(0),
        2 => Fault::DropResponse,
        _ => Fault::Forward,
    });
    let id = stack.upload(&path, Mode::Client).await.unwrap().id;
    stack.download(&id, &copy).await.unwrap();
    assert!(fs::read(&copy).unwrap() == bytes(LEN));

    proxy.set_rule(move |_| unavailable());
    match stack.upload(&path, Mode::Client).await {
        Err(UploadError::Service(ServiceError::Unavailable)) => {}
        other => panic!("{other:?}"),
    }
    match stack.download(&id, &folder.path().join("other")).await {
        Err(DownloadError::Service(ServiceError::Unavailable)) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(files_in(&folder), 1);
}
