//! What goes up comes down.

use std::fs;

use caas_client::{Client, DownloadError, Mode, Progress, ServiceError, Upload, UploadError};
use caas_testing::{API_KEY, INBOX, VAULT, bytes, request, send};
use http::Method;

use crate::support::{Stack, files_in, ignore, key_of};

#[tokio::test]
async fn a_file_goes_up_and_comes_down_at_every_size() {
    let stack = Stack::start().await;
    let (_folder, copy) = stack.destination();
    for len in [0, 1, 15, 16, 17, (256 << 10) - 1, 256 << 10, 3_000_001] {
        let content = bytes(len);
        let path = stack.file("ä b.txt", &content);
        let upload = Upload::new(&path, Mode::Client).content_type("text/x-notes");
        let mut seen = Vec::new();
        let uploaded = stack.client.upload(&upload, |progress| seen.push(progress));
        let uploaded = uploaded.await.unwrap();
        assert_eq!(uploaded.size, len as u64);
        is_rising(&seen, len, "up");

        let (mut seen, id) = (Vec::new(), &uploaded.id);
        let progress = |progress| seen.push(progress);
        let downloaded = stack.client.download(id, &copy, progress).await.unwrap();
        assert_eq!(downloaded.name, "ä b.txt");
        assert_eq!(downloaded.content_type, "text/x-notes");
        assert_eq!(downloaded.size, len as u64);
        is_rising(&seen, len, "down");
        assert!(fs::read(&copy).unwrap() == content, "{len}");

        // And through the service.
        let get = request(Method::GET, API_KEY, &format!("/api/files/{id}"));
        assert!(send(&stack.router, get).await.body == content, "{len}");
    }
}

#[track_caller]
fn is_rising(seen: &[Progress], len: usize, case: &str) {
    let total = len as u64;
    assert!(seen.iter().all(|seen| seen.total == total), "{case} {len}");
    assert!(seen.is_sorted_by_key(|seen| seen.done), "{case} {len}");
    // The last bytes of an upload may be acknowledged before they are told.
    let complete = case == "up" || seen.last().unwrap().done == total;
    assert!(complete, "{case} {len}");
}

#[tokio::test]
async fn what_is_put_into_the_inbox_is_sealed_and_comes_down() {
    let stack = Stack::start().await;
    let (_folder, copy) = stack.destination();
    for len in [0, 5, 1_000_000, 20_000_000] {
        let path = stack.file("a.bin", &bytes(len));
        let upload = Upload::new(&path, Mode::Inbox).name("b.bin");
        let upload = upload.content_type("text/x-notes");
        let uploaded = stack.client.upload(&upload, ignore).await.unwrap();
        let key = key_of(&uploaded.id);
        assert!(key.ends_with("/b.bin"));
        assert_eq!(stack.visible(INBOX).await, [key.as_str()]);
        assert!(stack.get_raw(INBOX, &key).await.1 == bytes(len), "{len}");

        let early = stack.download(&uploaded.id, &copy).await;
        assert!(matches!(early, Err(DownloadError::Service(_))), "{early:?}");
        stack.seal_inbox().await;
        assert!(stack.visible(INBOX).await.is_empty());
        let downloaded = stack.download(&uploaded.id, &copy).await;
        assert_eq!(downloaded.unwrap().content_type, "text/x-notes");
        assert!(fs::read(&copy).unwrap() == bytes(len), "{len}");
    }
}

#[tokio::test]
async fn what_the_service_refuses_is_told() {
    let stack = Stack::start().await;
    let (folder, copy) = stack.destination();
    match stack.download("YWJzZW50", &copy).await {
        Err(DownloadError::Service(ServiceError::Refused { code, .. })) => {
            assert_eq!(code, "not-found");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(files_in(&folder), 0);

    let (path, large) = (stack.file("a", b"a"), folder.path().join("large"));
    let too_long = folder.path().join("too long");
    // These take no room on the disk.
    for (path, len) in [(&large, 5_000_000_001), (&too_long, (1 << 36) - 31)] {
        fs::File::create(path).unwrap().set_len(len).unwrap();
    }
    let stranger = Client::new(&stack.service_proxy.url(), "another-key").unwrap();
    let own = &stack.client;
    let (up, inbox) = (Upload::new(&path, Mode::Client), Mode::Inbox);
    for (client, upload, expected) in [
        (&stranger, up.clone(), "unauthorized"),
        (own, up.content_type(""), "invalid-request"),
        (
            own,
            Upload::new(&path, inbox).name("\n"),
            "invalid-filename",
        ),
        (own, Upload::new(&large, Mode::Inbox), "too-large"),
        (own, Upload::new(&too_long, Mode::Client), "too-large"),
    ] {
        match client.upload(&upload, ignore).await {
            Err(UploadError::Service(ServiceError::Refused { code, .. })) => {
                assert_eq!(code, expected);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(stack.visible(VAULT).await.is_empty() && stack.visible(INBOX).await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_read_or_written_is_told() {
    let stack = Stack::start().await;
    let (folder, taken) = stack.destination();
    for path in [folder.path().to_owned(), folder.path().join("absent")] {
        let refused = stack.upload(&path, Mode::Client).await;
        assert!(matches!(refused, Err(UploadError::Source(_))));
    }
    let id = stack.stored(&bytes(100_000)).await;
    // A folder has the name: the file cannot take it, and leaves nothing.
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("inside"), "x").unwrap();
    for destination in [folder.path().join("absent/copy"), taken] {
        let refused = stack.download(&id, &destination).await.unwrap_err();
        let destination = matches!(refused, DownloadError::Destination(_));
        assert!(destination, "{refused:?}");
    }
    assert_eq!(files_in(&folder), 1);
}
