//! The events in `events/`, through Lambda's request decoder, as API Gateway sends them.

use std::{fs, path::PathBuf};

use axum::body::Body;
use http::Request;

use crate::support::{ACME, App, upload, with};

/// What each event is answered: status, content type, and something in the body.
const EVENTS: &[(&str, u16, &str, &str)] = &[
    (
        "begin_client_upload.json",
        201,
        "application/json",
        "x-amz-meta-x-amz-d",
    ),
    (
        "begin_inbox_upload.json",
        201,
        "application/json",
        "if-none-match",
    ),
    ("delete.json", 204, "", ""),
    ("get.json", 200, "text/x-notes; charset=utf-8", "Some notes"),
    ("grant.json", 200, "application/json", "notes.txt"),
    ("head.json", 200, "text/x-notes; charset=utf-8", ""),
    ("list.json", 200, "application/json", "notes.txt"),
    ("purge.json", 204, "", ""),
    (
        "upload.json",
        201,
        "application/json",
        "File uploaded and encrypted successfully.",
    ),
    (
        "upload_without_slash.json",
        201,
        "application/json",
        "notes.txt",
    ),
];

fn folder() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../events/upload-file"
    ))
}

#[tokio::test]
async fn every_event_is_answered() {
    let mut found: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(
        found,
        EVENTS.iter().map(|(name, ..)| *name).collect::<Vec<_>>()
    );

    for (name, status, content_type, content) in EVENTS {
        // The file that the events name: uploaded with the Idempotency-Key "events".
        let app = App::start().await;
        let there = upload(ACME, "notes.txt", b"Some notes");
        app.send(with(there, "idempotency-key", "events")).await;

        let event = fs::read_to_string(folder().join(name)).unwrap();
        let mut request: Request<lambda_http::Body> =
            lambda_http::request::from_str(&event).unwrap();
        request
            .headers_mut()
            .insert("x-api-key", ACME.parse().unwrap());
        let answer = app.send(request.map(Body::new)).await;
        assert_eq!(answer.status, *status, "{name}: {}", answer.text());
        assert_eq!(answer.header("content-type"), *content_type, "{name}");
        assert!(answer.text().contains(content), "{name}");
    }
}
