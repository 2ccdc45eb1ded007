//! The events in `events/`.

use std::{collections::BTreeMap, fs, path::Path};

use axum::body::Body;
use http::Request;

use crate::{API_KEY, TestResponse};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events");

/// The key in the events, replaced by [`API_KEY`].
const EVENT_KEY: &str = "caas_local-events-only-never-deploy-this-api-key0UwGgf";

/// A function's events: JSON by name, without the file's extension.
pub fn events(function: &str) -> BTreeMap<String, String> {
    let entries = fs::read_dir(Path::new(FOLDER).join(function)).unwrap();
    let read = entries.map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        (name, text.replace(EVENT_KEY, API_KEY))
    });
    read.collect()
}

/// Sends each of a function's events as API Gateway does, through Lambda's request decoder, and checks
/// the response: status, content type, and something in the body. The table names every event, in
/// the order of sending.
pub async fn check_events(
    function: &str,
    expected: &[(&str, u16, &str, &str)],
    mut send: impl AsyncFnMut(Request<Body>) -> TestResponse,
) {
    let events = events(function);
    let mut names: Vec<_> = expected.iter().map(|(name, ..)| *name).collect();
    names.sort_unstable();
    assert!(events.keys().eq(&names), "{names:?}");
    for (name, status, content_type, content) in expected {
        let request = lambda_http::request::from_str(&events[*name]).unwrap();
        let response = send(request.map(Body::new)).await;
        assert_eq!(response.status, *status, "{name}: {}", response.text());
        assert_eq!(response.header("content-type"), *content_type, "{name}");
        assert!(response.text().contains(content), "{name}");
    }
}
