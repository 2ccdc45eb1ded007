//! A download is killed or interrupted, and goes on.

use std::{
    fs,
    io::{Seek, SeekFrom, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use caas_aws::{KmsKey, ObjectKey, PutOptions};
use caas_client::{DownloadError, Mode};
use caas_testing::{Fault, VAULT, bytes};
use caas_vault::Vault;
use tokio::sync::Notify;

use crate::{
    child::{Running, Transfer, names, ran},
    support::{LARGE, PART, Stack, files_in, ignore, key_of, large},
};

/// Where a download is killed.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// When it asks for a grant.
    Grant,
    /// When S3 gets this request, from 1.
    Range(u64),
    /// When all has arrived, before it is verified.
    Arrived,
}

/// The length of a range.
const RANGE: u64 = 4 << 20;

const TEST: &str = "resumed_downloads::a_download_that_is_killed_goes_on";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_that_is_killed_goes_on() {
    if ran().await {
        return;
    }
    let stack = Stack::start().await;
    let content = large(3);
    let path = stack.file("large", &content);
    let id = stack.upload(&path, Mode::Client).await.unwrap().id;
    let ranges = (1..=9).map(Place::Range);
    for place in [Place::Grant, Place::Arrived].into_iter().chain(ranges) {
        let (folder, copy) = stack.destination();
        let there = Arc::new(Notify::new());
        let (at_grant, at_range) = (Arc::clone(&there), Arc::clone(&there));
        stack.service_proxy.set_rule(move |_| match place {
            Place::Grant => {
                at_grant.notify_one();
                Fault::DelayRequest(Duration::from_secs(3_600))
            }
            _ => Fault::Forward,
        });
        let fetched = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&fetched);
        stack.proxies.s3.set_rule(move |request| {
            if request.path_and_query.contains("X-Amz-Signature") {
                let before = count.fetch_add(1, Ordering::Relaxed);
                if matches!(place, Place::Range(number) if before + 1 == number) {
                    at_range.notify_one();
                }
            }
            Fault::Forward
        });
        let transfer = Transfer::Down {
            id: id.clone(),
            path: copy.clone(),
            dies: matches!(place, Place::Arrived),
        };
        let child = Running::start(TEST, &stack.service_proxy.url(), &transfer);
        match place {
            Place::Arrived => assert!(child.ended().await.is_none()),
            _ => {
                there.notified().await;
                child.kill();
            }
        }
        stack.service_proxy.clear_rule();
        // What was opened is not verified: it has another name until it is.
        let left = names(folder.path());
        let expected: &[&str] = match place {
            Place::Grant => &["copy.part"],
            _ => &["copy.part", "copy.part.json"],
        };
        assert_eq!(left, expected, "{place:?}");
        #[cfg(unix)]
        for name in left {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(folder.path().join(name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }

        let (resumed, calls) = {
            let resumed = stack.client.resume_download(&id, &copy, ignore);
            stack.calls_of(resumed).await
        };
        assert_eq!(resumed.unwrap().size, LARGE, "{place:?}");
        assert_eq!(calls.kms(), 1, "{place:?}");
        assert!(fs::read(&copy).unwrap() == content, "{place:?}");
        assert_eq!(names(folder.path()), ["copy"], "{place:?}");
        // Each of four connections may have to fetch 8 MiB again: two ranges.
        let fetched = fetched.load(Ordering::Relaxed);
        let ranges = (LARGE + 16).div_ceil(RANGE);
        let all = ranges..=ranges + 8;
        assert!(all.contains(&fetched), "{place:?}: {fetched} ranges");
    }
}

#[tokio::test]
async fn every_size_is_resumed_from_nothing() {
    let stack = Stack::start().await;
    let part = PART as usize;
    for len in [0, 1, part - 17, part - 16, part - 15, part, part + 1] {
        let content = bytes(len);
        let id = stack.stored(&content).await;
        let (folder, copy) = stack.destination();
        let mut seen = Vec::new();
        let downloaded = stack
            .client
            .resume_download(&id, &copy, |progress| seen.push(progress));
        let downloaded = downloaded.await.unwrap();
        assert_eq!((downloaded.size, &*downloaded.name), (len as u64, "a"));
        assert!(seen.is_sorted_by_key(|seen| seen.done));
        assert_eq!(seen.last().unwrap().done, len as u64);
        assert!(fs::read(&copy).unwrap() == content, "{len}");
        assert_eq!(files_in(&folder), 1);
    }
}

/// S3 serves the first ranges, and then nothing.
fn outage(stack: &Stack, ranges: u64) {
    stack.proxies.s3.set_rule(move |request| {
        let is_range = request.path_and_query.contains("X-Amz-Signature");
        match is_range && request.number >= ranges {
            true => Fault::slow_down(),
            false => Fault::Forward,
        }
    });
}

#[tokio::test]
async fn what_was_replaced_or_deleted_meanwhile_is_told() {
    let stack = Stack::start().await;
    let content = bytes(3 * PART as usize);
    let id = stack.stored(&content).await;
    let key = ObjectKey::parse(&key_of(&id)).unwrap();
    let files = KmsKey::new(stack.clients.kms.clone(), "alias/files");
    let vault = Vault::new(stack.clients.s3.clone(), VAULT, files);
    let (folder, copy) = stack.destination();
    let interrupt = async || {
        outage(&stack, 3);
        let error = stack.client.resume_download(&id, &copy, ignore).await;
        let unavailable = matches!(error, Err(DownloadError::Unavailable));
        assert!(unavailable, "{error:?}");
        stack.proxies.s3.clear_rule();
        assert_eq!(names(folder.path()), ["copy.part", "copy.part.json"]);
    };
    // The same content, but another version of it.
    for replacement in [content.clone(), bytes(5)] {
        interrupt().await;
        let options = PutOptions::default();
        vault
            .put(&key, replacement.clone(), &options)
            .await
            .unwrap();
        let error = stack.client.resume_download(&id, &copy, ignore).await;
        assert!(matches!(error, Err(DownloadError::Replaced)), "{error:?}");
        assert_eq!(files_in(&folder), 0);
        stack
            .client
            .resume_download(&id, &copy, ignore)
            .await
            .unwrap();
        assert!(fs::read(&copy).unwrap() == replacement);
        fs::remove_file(&copy).unwrap();
        vault.put(&key, content.clone(), &options).await.unwrap();
    }
    interrupt().await;
    // Another file's part is not this one's.
    let other = stack.stored(b"other").await;
    stack
        .client
        .resume_download(&other, &copy, ignore)
        .await
        .unwrap();
    assert_eq!(fs::read(&copy).unwrap(), b"other");
    fs::remove_file(&copy).unwrap();

    interrupt().await;
    stack.purge(&id).await;
    let error = stack.client.resume_download(&id, &copy, ignore).await;
    assert!(matches!(error, Err(DownloadError::Deleted)), "{error:?}");
    assert_eq!(files_in(&folder), 0);
    let error = stack.client.resume_download(&id, &copy, ignore).await;
    assert!(matches!(error, Err(DownloadError::Service(_))), "{error:?}");
    assert_eq!(files_in(&folder), 0);
}

#[tokio::test]
async fn an_expired_grant_is_renewed_once_for_all_connections() {
    let stack = Stack::start().await;
    let content = bytes(5 * PART as usize);
    let id = stack.stored(&content).await;
    let (folder, copy) = stack.destination();
    stack.proxies.s3.set_rule(|request| {
        let is_range = request.path_and_query.contains("X-Amz-Signature");
        match is_range && (2..=4).contains(&request.number) {
            true => Fault::s3(403, "AccessDenied"),
            false => Fault::Forward,
        }
    });
    let downloaded = stack.client.resume_download(&id, &copy, ignore);
    let (downloaded, calls) = stack.calls_of(downloaded).await;
    downloaded.unwrap();
    assert!(fs::read(&copy).unwrap() == content);
    assert!((2..=4).contains(&calls.kms()), "{}", calls.kms());
    assert_eq!(files_in(&folder), 1);
}

#[tokio::test]
async fn ranges_that_are_cut_go_on_where_they_were() {
    let stack = Stack::start().await;
    let content = bytes(3 * PART as usize);
    let id = stack.stored(&content).await;
    let (_folder, copy) = stack.destination();
    let is_range = |path: &str| path.contains("X-Amz-Signature");
    stack
        .proxies
        .s3
        .set_rule(move |request| match request.number % 3 {
            0 | 1 if is_range(request.path_and_query) => Fault::CutResponse(PART / 3),
            _ => Fault::Forward,
        });
    stack
        .client
        .resume_download(&id, &copy, ignore)
        .await
        .unwrap();
    assert!(fs::read(&copy).unwrap() == content);
}

#[tokio::test]
async fn a_damaged_part_file_is_fetched_again_and_a_damaged_object_is_refused() {
    let stack = Stack::start().await;
    let content = bytes(2 * PART as usize);
    let id = stack.stored(&content).await;
    let (folder, copy) = stack.destination();
    let part = folder.path().join("copy.part");
    for damage in [0, 1 << 12, 1 << 14, (1 << 14) + PART / 2] {
        outage(&stack, 3);
        let error = stack.client.resume_download(&id, &copy, ignore).await;
        assert!(
            matches!(error, Err(DownloadError::Unavailable)),
            "{error:?}"
        );
        stack.proxies.s3.clear_rule();
        let mut file = fs::File::options().write(true).open(&part).unwrap();
        file.seek(SeekFrom::Start(damage)).unwrap();
        file.write_all(b"11").unwrap();
        drop(file);
        stack
            .client
            .resume_download(&id, &copy, ignore)
            .await
            .unwrap();
        assert!(fs::read(&copy).unwrap() == content, "{damage}");
        assert_eq!(files_in(&folder), 1);
        fs::remove_file(&copy).unwrap();
    }

    let (metadata, mut body) = stack.get_raw(VAULT, &key_of(&id)).await;
    body[1_000_000] ^= 0x80;
    let put = stack.clients.s3.put_object().bucket(VAULT).key(key_of(&id));
    let put = put.set_metadata(Some(metadata));
    put.body(body.into()).send().await.unwrap();
    let error = stack.client.resume_download(&id, &copy, ignore).await;
    assert!(
        matches!(error, Err(DownloadError::NotAuthentic)),
        "{error:?}"
    );
    assert_eq!(files_in(&folder), 0);
}
