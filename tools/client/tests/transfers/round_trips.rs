//! What goes up comes down.

use std::fs;

use axum::body::Body;
use caas_client::{Client, DownloadError, Mode, Progress, ServiceError, Upload, UploadError};
use caas_testing::{API_KEY, INBOX, VAULT, bytes, send};
use http::Request;

use crate::support::{Stack, ignore, is_empty, key_of};

#[tokio::test]
async fn a_file_goes_up_and_comes_down_at_every_size() {
    let stack = Stack::start().await;
    let folder = stack.destination();
    for len in [0, 1, 15, 16, 17, (256 << 10) - 1, 256 << 10, 3_000_001] {
        let content = bytes(len);
        let path = stack.file("ä b.txt", &content);
        let upload = Upload::new(&path, Mode::Client).content_type("text/x-notes");
        let mut seen = Vec::new();
        let uploaded = stack.client.upload(&upload, |progress| seen.push(progress));
        let uploaded = uploaded.await.unwrap();
        assert_eq!(uploaded.size, len as u64);
        is_rising(&seen, len, "up");

        let copy = folder.path().join("copy");
        let mut seen = Vec::new();
        let downloaded = stack
            .client
            .download(&uploaded.id, &copy, |progress| seen.push(progress))
            .await
            .unwrap();
        assert_eq!(
            (downloaded.name.as_str(), downloaded.content_type.as_str()),
            ("ä b.txt", "text/x-notes")
        );
        assert_eq!(downloaded.size, len as u64);
        is_rising(&seen, len, "down");
        assert!(fs::read(&copy).unwrap() == content, "{len}");

        // And through the service.
        let request = Request::get(format!("/api/files/{}", uploaded.id));
        let request = request.header("x-api-key", API_KEY);
        let request = request.body(Body::empty()).unwrap();
        let response = send(&stack.router, request).await;
        assert!(response.body == content, "{len}");
    }
}

#[track_caller]
fn is_rising(seen: &[Progress], len: usize, case: &str) {
    let total = len as u64;
    assert!(seen.iter().all(|seen| seen.total == total), "{case} {len}");
    assert!(seen.is_sorted_by_key(|seen| seen.done), "{case} {len}");
    // The last bytes of an upload may be acknowledged before they are told.
    assert!(
        case == "up" || seen.last().unwrap().done == total,
        "{case} {len}"
    );
}

#[tokio::test]
async fn what_is_put_into_the_inbox_is_sealed_and_comes_down() {
    let stack = Stack::start().await;
    let folder = stack.destination();
    for len in [0, 5, 1_000_000, 20_000_000] {
        let path = stack.file("a.bin", &bytes(len));
        let upload = Upload::new(&path, Mode::Inbox)
            .name("b.bin")
            .content_type("text/x-notes");
        let uploaded = stack.client.upload(&upload, ignore).await.unwrap();
        let key = key_of(&uploaded.id);
        assert!(key.ends_with("/b.bin"));
        assert_eq!(stack.visible(INBOX).await, [key.as_str()]);
        let object = stack.clients.s3.get_object().bucket(INBOX).key(&key);
        let body = object.send().await.unwrap().body.collect().await.unwrap();
        assert!(body.to_vec() == bytes(len), "{len}");

        let copy = folder.path().join("copy");
        let early = stack.client.download(&uploaded.id, &copy, ignore).await;
        assert!(matches!(early, Err(DownloadError::Service(_))), "{early:?}");
        stack.seal_inbox().await;
        assert!(stack.visible(INBOX).await.is_empty());
        let downloaded = stack.client.download(&uploaded.id, &copy, ignore).await;
        assert_eq!(downloaded.unwrap().content_type, "text/x-notes");
        assert!(fs::read(&copy).unwrap() == bytes(len), "{len}");
    }
}

#[tokio::test]
async fn what_the_service_refuses_is_told() {
    let stack = Stack::start().await;
    let code = |error: ServiceError| match error {
        ServiceError::Refused { code, .. } => code,
        other => panic!("{other:?}"),
    };
    let folder = stack.destination();
    let copy = folder.path().join("copy");
    let absent = stack.client.download("YWJzZW50", &copy, ignore).await;
    let Err(DownloadError::Service(error)) = absent else {
        panic!("{absent:?}");
    };
    assert_eq!(code(error), "not-found");
    assert!(is_empty(folder.path()));

    let path = stack.file("a", b"a");
    let stranger = Client::new(&stack.service_proxy.url(), "another-key").unwrap();
    for (client, upload, expected) in [
        (&stranger, Upload::new(&path, Mode::Client), "unauthorized"),
        (
            &stack.client,
            Upload::new(&path, Mode::Client).content_type(""),
            "invalid-request",
        ),
        (
            &stack.client,
            Upload::new(&path, Mode::Inbox).name("\n"),
            "invalid-filename",
        ),
    ] {
        let refused = client.upload(&upload, ignore).await;
        let Err(UploadError::Service(error)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(code(error), expected);
    }
    // 5 GB and a byte, which take no room on the disk.
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(5_000_000_001)
        .unwrap();
    let refused = stack.upload(&path, Mode::Client).await;
    let Err(UploadError::Service(error)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(code(error), "too-large");
    assert!(stack.visible(VAULT).await.is_empty() && stack.visible(INBOX).await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_read_or_written_is_told() {
    let stack = Stack::start().await;
    let folder = stack.destination();
    for path in [folder.path().to_owned(), folder.path().join("absent")] {
        let refused = stack.upload(&path, Mode::Client).await;
        assert!(matches!(refused, Err(UploadError::Source(_))));
    }
    let path = stack.file("a", &bytes(100_000));
    let id = stack.upload(&path, Mode::Client).await.unwrap().id;
    let nowhere = folder.path().join("absent/copy");
    let refused = stack.client.download(&id, &nowhere, ignore).await;
    assert!(
        matches!(refused, Err(DownloadError::Destination(_))),
        "{refused:?}"
    );
    // A folder has the name: the file cannot take it, and leaves nothing.
    let taken = stack.destination();
    fs::create_dir(taken.path().join("copy")).unwrap();
    fs::write(taken.path().join("copy/inside"), "x").unwrap();
    let refused = stack
        .client
        .download(&id, &taken.path().join("copy"), ignore)
        .await;
    assert!(
        matches!(refused, Err(DownloadError::Destination(_))),
        "{refused:?}"
    );
    assert_eq!(fs::read_dir(taken.path()).unwrap().count(), 1);
}
