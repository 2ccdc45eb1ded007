//! Uploads in parts while connections break, responses are lost, and callers lose interest.

use std::{
    collections::HashMap,
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use caas_client::{Mode, Progress, Upload, UploadError};
use caas_testing::{Fault, VAULT};
use futures::future::{Either, select};
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::{
    child::names,
    support::{LARGE, PART, Stack, ignore, key_of, large},
    wire::Wire,
};

/// Longer than any test takes.
const FOREVER: Duration = Duration::from_secs(3_600);

async fn is_stored(stack: &Stack, id: &str, content: &[u8]) {
    let (_copies, copy) = stack.destination();
    stack.download(id, &copy).await.unwrap();
    assert!(fs::read(&copy).unwrap() == content);
    assert_eq!(stack.visible(VAULT).await, [key_of(id)]);
}

#[tokio::test]
async fn a_large_file_goes_up_in_parts() {
    let stack = Stack::start().await;
    let content = large(1);
    let path = stack.file("large", &content);
    let wire = Wire::watch(&stack.proxies.s3, |_| {});
    let mut seen: Vec<Progress> = Vec::new();
    let upload = Upload::new(&path, Mode::Client).content_type("text/x-notes");
    let uploaded = stack.client.upload(&upload, |progress| seen.push(progress));
    let (uploaded, calls) = stack.calls_of(uploaded).await;
    let id = uploaded.unwrap().id;
    assert_eq!(calls.kms(), 1);
    assert_eq!((wire.keys(), wire.bytes()), (1, LARGE + 16));
    assert!(
        seen.iter()
            .all(|seen| seen.total == LARGE && seen.done <= seen.total)
    );
    // The tag belongs to the last part, but not to the file.
    assert!(seen.iter().all(|seen| seen.sealed + 16 >= seen.done));
    assert!(seen.is_sorted_by_key(|seen| seen.done) && seen.is_sorted_by_key(|seen| seen.sealed));
    let last = seen.last().unwrap();
    assert_eq!((last.done, last.sealed), (LARGE, LARGE));
    is_stored(&stack, &id, &content).await;
}

/// A limit, and one byte more.
#[tokio::test]
async fn up_to_64_mib_are_one_request() {
    let stack = Stack::start().await;
    for (len, parts) in [(64 << 20, 0), ((64 << 20) + 1, (64 << 20) + 17)] {
        let wire = Wire::watch(&stack.proxies.s3, |_| {});
        let path = stack.file("large", &large(0)[..len]);
        let folder = TempDir::new_in(stack.folder.path()).unwrap();
        let upload = Upload::new(&path, Mode::Client).resume_in(folder.path());
        let id = stack.client.upload(&upload, ignore).await.unwrap().id;
        assert_eq!(wire.bytes(), parts);
        stack.purge(&id).await;
    }
}

/// The number of the part that is sent to this path.
fn part_of(path: &str) -> Option<usize> {
    let (_, number) = path.split_once("partNumber=")?;
    number.split('&').next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_part_is_tried_again() {
    let stack = Stack::start().await;
    let content = large(2);
    let path = stack.file("large", &content);
    for seed in 0..3 {
        let faults = [
            Fault::CutRequest(0),
            Fault::CutRequest(PART / 2),
            Fault::DropResponse,
            Fault::slow_down(),
            Fault::internal_error(),
            Fault::s3(403, "AccessDenied"),
            Fault::s3(400, "RequestTimeout"),
        ];
        // Each part fails up to two times, in its own way.
        let tried = Mutex::new(HashMap::new());
        stack.proxies.s3.set_rule(move |request| {
            let mut tried = tried.lock().unwrap();
            let Some(part) = part_of(request.path_and_query) else {
                return Fault::Forward;
            };
            let tried: &mut usize = tried.entry(part).or_default();
            *tried += 1;
            let chosen = 3 * seed + 2 * part + *tried;
            match *tried <= part % 3 {
                true => faults[chosen % faults.len()].clone(),
                false => Fault::Forward,
            }
        });
        let wire = Wire::watch(&stack.proxies.s3, |_| {});
        let (uploaded, calls) = stack.calls_of(stack.upload(&path, Mode::Client)).await;
        let id = uploaded.unwrap().id;
        assert_eq!((calls.kms(), wire.keys()), (1, 1), "seed {seed}");
        assert!(wire.bytes() > LARGE + 16, "seed {seed}: no faults");
        stack.proxies.s3.clear_rule();
        is_stored(&stack, &id, &content).await;
        stack.purge(&id).await;
    }
}

#[tokio::test]
async fn a_completion_whose_response_is_lost_is_repeated() {
    let stack = Stack::start().await;
    let content = large(0);
    let path = stack.file("large", &content);
    stack.service_proxy.set_rule(|request| {
        let is_completion = request.path_and_query == "/api/uploads/complete";
        // Begun, asked, and then completed.
        match is_completion && request.number < 4 {
            true => Fault::DropResponse,
            false => Fault::Forward,
        }
    });
    let id = stack.upload(&path, Mode::Client).await.unwrap().id;
    assert!(stack.service_proxy.requests() > 4);
    is_stored(&stack, &id, &content).await;
    assert_eq!(stack.versions(VAULT).await, (1, 0));
}

#[tokio::test]
async fn an_outage_ends_an_upload_and_a_journal_resumes_it() {
    let stack = Stack::start().await;
    let content = large(0);
    let path = stack.file("large", &content);
    let folder = TempDir::new_in(stack.folder.path()).unwrap();
    let upload = Upload::new(&path, Mode::Client).resume_in(folder.path());
    let wire = Wire::watch(&stack.proxies.s3, |_| {});
    let is_out = Arc::new(AtomicBool::new(true));
    let out = Arc::clone(&is_out);
    stack.proxies.s3.set_rule(move |request| {
        let is_late = part_of(request.path_and_query).is_some_and(|part| part > 4);
        match is_late && out.load(Ordering::Relaxed) {
            true => Fault::slow_down(),
            false => Fault::Forward,
        }
    });
    let outage = stack.client.upload(&upload, ignore).await.unwrap_err();
    assert!(matches!(outage, UploadError::Unavailable), "{outage:?}");
    assert!(stack.visible(VAULT).await.is_empty());
    assert_eq!(names(folder.path()).len(), 1);
    is_out.store(false, Ordering::Relaxed);
    let mut first = None;
    let progress = |progress: Progress| {
        first.get_or_insert(progress);
    };
    let id = stack.client.upload(&upload, progress).await.unwrap().id;
    assert_eq!(first.unwrap().total, LARGE);
    assert_eq!(wire.keys(), 1);
    is_stored(&stack, &id, &content).await;
    assert_eq!(names(folder.path()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cancelled_leaves_nothing() {
    let stack = Stack::start().await;
    let path = stack.file("large", &large(0));
    let complete = "/api/uploads/complete";
    for (case, at_service, bytes) in [
        ("at the first part", "", 1),
        ("in the middle", "", LARGE / 2),
        ("while it is completed", complete, u64::MAX),
    ] {
        let there = Arc::new(Notify::new());
        let (at_request, at_bytes) = (Arc::clone(&there), Arc::clone(&there));
        stack.service_proxy.set_rule(move |request| {
            if request.path_and_query == at_service {
                at_request.notify_one();
                return Fault::DelayResponse(FOREVER);
            }
            Fault::Forward
        });
        let wire = Wire::watch(&stack.proxies.s3, move |passed| {
            if passed >= bytes {
                at_bytes.notify_one();
            }
        });
        let upload = stack.upload(&path, Mode::Client);
        let cancelled = async {
            there.notified().await;
            while at_service == complete && stack.visible(VAULT).await.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        let (upload, cancelled) = (Box::pin(upload), Box::pin(cancelled));
        match select(upload, cancelled).await {
            Either::Left((ended, _)) => panic!("{case}: {ended:?}"),
            Either::Right((_, upload)) => drop(upload),
        }
        assert!(wire.keys() == 1, "{case}");
        // In the background.
        while stack.multipart_uploads(VAULT).await > 0 || !stack.visible(VAULT).await.is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_transfer_that_trickles_ends() {
    let stack = Stack::start().await;
    let content = large(0);
    let path = stack.file("large", &content);
    let id = stack.upload(&path, Mode::Client).await.unwrap().id;
    let hurried = stack.client.clone();
    let hurried = hurried.with_slowest(Duration::from_millis(300), u64::MAX);
    stack.proxies.s3.set_rule(|_| Fault::DelayResponse(FOREVER));
    let upload = Upload::new(&path, Mode::Client);
    let late = hurried.upload(&upload, ignore).await.unwrap_err();
    assert!(matches!(late, UploadError::Unavailable), "{late:?}");
    stack.proxies.s3.set_rule(
        |request| match request.path_and_query.contains("X-Amz-Signature") {
            true => Fault::DelayResponse(FOREVER),
            false => Fault::Forward,
        },
    );
    let (folder, copy) = stack.destination();
    let late = hurried.download(&id, &copy, ignore).await.unwrap_err();
    let unavailable = matches!(late, caas_client::DownloadError::Unavailable);
    assert!(unavailable, "{late:?}");
    let late = hurried
        .resume_download(&id, &copy, ignore)
        .await
        .unwrap_err();
    let unavailable = matches!(late, caas_client::DownloadError::Unavailable);
    assert!(unavailable, "{late:?}");
    assert!(!copy.exists());
    drop(folder);
}

/// Somebody with access to the bucket replaces a part after its ETag was returned.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_was_replaced_is_not_completed() {
    let stack = Stack::start().await;
    let path = stack.file("large", &large(0));
    let s3 = stack.clients.s3.clone();
    stack.service_proxy.set_rule(move |request| {
        if request.path_and_query == "/api/uploads/complete" && request.number < 3 {
            let handle = tokio::runtime::Handle::current();
            tokio::task::block_in_place(|| {
                handle.block_on(async {
                    let uploads = s3.list_multipart_uploads().bucket(VAULT);
                    let uploads = uploads.send().await.unwrap();
                    let upload = &uploads.uploads()[0];
                    let part = s3.upload_part().bucket(VAULT).part_number(1);
                    let part = part.key(upload.key().unwrap());
                    let part = part.upload_id(upload.upload_id().unwrap());
                    let body = vec![7; PART as usize].into();
                    part.body(body).send().await.unwrap();
                });
            });
        }
        Fault::Forward
    });
    match stack.upload(&path, Mode::Client).await {
        Err(UploadError::Service(caas_client::ServiceError::Refused { code, .. })) => {
            assert_eq!(code, "upload-conflict");
        }
        other => panic!("{other:?}"),
    }
    assert!(stack.visible(VAULT).await.is_empty());
}
