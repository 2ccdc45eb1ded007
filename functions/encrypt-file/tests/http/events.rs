//! The events in `events/`, through Lambda's request decoder, as API Gateway sends them.

use std::{fs, path::PathBuf};

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::support::{API_KEY, Answer, router};

/// What each event is answered: status, content type, and something in the body.
const EVENTS: &[(&str, u16, &str, &str)] = &[
    (
        "decrypt_file.json",
        200,
        "application/octet-stream",
        "Hello, session!",
    ),
    ("encrypt_file.json", 200, "application/octet-stream", ""),
    ("health.json", 200, "application/json", "max_body_bytes"),
    ("index.json", 200, "text/plain; charset=utf-8", "is running"),
    (
        "not_found.json",
        404,
        "application/problem+json",
        "/problems/not-found",
    ),
    (
        "openapi.json",
        200,
        "application/json",
        r#""servers":[{"url":"https://abcdefghij.execute-api.us-east-1.amazonaws.com/Prod"}]"#,
    ),
    ("problem.json", 200, "application/json", "too-large"),
];

fn folder() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../events/encrypt-file"
    ))
}

async fn send(event: &str) -> Answer {
    let mut request: Request<lambda_http::Body> = lambda_http::request::from_str(event).unwrap();
    request
        .headers_mut()
        .insert("x-api-key", API_KEY.parse().unwrap());
    let response = router(false).oneshot(request.map(Body::new)).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().into();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    }
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
        let event = fs::read_to_string(folder().join(name)).unwrap();
        let answer = send(&event).await;
        assert_eq!(answer.status, *status, "{name}");
        assert_eq!(answer.header("content-type"), *content_type, "{name}");
        assert!(
            String::from_utf8_lossy(&answer.body).contains(content),
            "{name}"
        );
    }
}
