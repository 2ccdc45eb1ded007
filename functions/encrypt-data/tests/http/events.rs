//! The events in `events/`, through Lambda's request decoder, as API Gateway sends them.

use std::{fs, path::PathBuf};

use axum::body::Body;
use http::Request;

use crate::support::{API_KEY, Process, Stack};

/// The key in the events, which the tests replace by theirs.
const EVENT_KEY: &str = "caas_local-events-only-never-deploy-this-key";

/// What each event is answered: status, content type, and something in the body. In the order of a
/// user's life.
const EVENTS: &[(&str, u16, &str, &str)] = &[
    ("encrypt", 200, "application/json", r#"{"encrypted_data":""#),
    (
        "encrypt_reversibly",
        200,
        "application/json",
        r#"{"encrypted_data":["caas:v1:AAAAA"#,
    ),
    ("verify", 200, "application/json", r#"{"valid":false}"#),
    (
        "decrypt",
        200,
        "application/json",
        "/problems/not-reversible",
    ),
    (
        "show_user",
        200,
        "application/json",
        r#"{"versions":[{"version":1,"#,
    ),
    ("rotate_user", 200, "application/json", r#"{"version":2}"#),
    ("shred_user", 204, "", ""),
];

#[tokio::test]
async fn every_event_is_answered() {
    let folder = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../events/encrypt-data"
    ));
    let mut found: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_owned())
        .collect();
    found.sort();
    let mut known: Vec<_> = EVENTS.iter().map(|(name, ..)| *name).collect();
    known.sort_unstable();
    assert_eq!(found, known);

    let stack = Stack::start().await;
    let process: Process = stack.process();
    for (name, status, content_type, content) in EVENTS {
        let event = fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let event = event.replace(EVENT_KEY, API_KEY);
        let request: Request<lambda_http::Body> = lambda_http::request::from_str(&event).unwrap();
        let answer = process.call(request.map(Body::new)).await;
        assert_eq!(answer.status, *status, "{name}");
        assert_eq!(answer.header("content-type"), *content_type, "{name}");
        let body = String::from_utf8_lossy(&answer.body);
        assert!(body.contains(content), "{name}: {body}");
    }
}
