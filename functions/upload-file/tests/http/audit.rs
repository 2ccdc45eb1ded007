//! What the audit trail says about requests for files.

use caas_audit::Trail;
use caas_testing::{API_KEY, FullDisk, OTHER_API_KEY, VAULT};
use http::Method;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{App, get, id_of, path_of};

fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// The fields of a line that do not differ from run to run.
fn told(line: &Value) -> [String; 5] {
    ["audit", "client", "operation", "outcome", "subject"]
        .map(|field| line[field].as_str().unwrap_or("-").to_owned())
}

#[tokio::test]
async fn every_request_is_one_line_and_an_effect_two() {
    let (app, trail) = App::audited().await;
    let id = app.upload("report.txt", b"x").await;
    let subject = &sha256(&format!("acme/{}", path_of(&id)));
    let path = format!("/api/files/{id}");
    app.send(get(API_KEY, &id)).await;
    app.send(get(OTHER_API_KEY, &id)).await;
    app.send(get("caas_wrong", &id)).await;
    app.ask(Method::POST, &format!("{path}/grant")).await;
    app.ask(Method::GET, "/api/files").await;
    app.ask(Method::DELETE, &path).await;
    let purge = format!("{path}?purge=true");
    let receipt = app.ask(Method::DELETE, &purge).await;
    let again = app.ask(Method::DELETE, &purge).await;
    assert!(again.text().contains("nothing left"), "{}", again.text());
    app.ask(Method::GET, "/api/CANARY").await;

    let lines = trail.audit();
    let other = &sha256(&format!("globex/{}", path_of(&id)));
    let by_id = "/api/files/{id}";
    let purged = "DELETE /api/files/{id}?purge=true";
    let expected = [
        ["outcome", "acme", "POST /api/upload/", "ok", subject],
        ["outcome", "acme", &format!("GET {by_id}"), "ok", subject],
        [
            "outcome",
            "globex",
            &format!("GET {by_id}"),
            "not-found",
            other,
        ],
        ["outcome", "-", &format!("GET {by_id}"), "unauthorized", "-"],
        [
            "outcome",
            "acme",
            &format!("POST {by_id}/grant"),
            "ok",
            subject,
        ],
        ["outcome", "acme", "GET /api/files", "ok", "-"],
        ["intent", "acme", &format!("DELETE {by_id}"), "-", subject],
        ["outcome", "acme", &format!("DELETE {by_id}"), "ok", subject],
        ["intent", "acme", purged, "-", subject],
        ["outcome", "acme", purged, "ok", subject],
        ["intent", "acme", purged, "-", subject],
        ["outcome", "acme", purged, "not-found", subject],
        ["outcome", "-", "unknown path", "not-found", "-"],
    ];
    let said: Vec<_> = lines.iter().map(told).collect();
    assert_eq!(said, expected.map(|line| line.map(str::to_owned)));
    for (line, number) in lines.iter().zip(1..) {
        assert_eq!(line["seq"], number);
        assert_eq!(line["process"], lines[0]["process"]);
    }
    for (line, key) in [(0, API_KEY), (2, OTHER_API_KEY)] {
        assert_eq!(lines[line]["key"], sha256(key)[..16]);
    }
    // A key that is not well formed has no hash worth keeping.
    assert_eq!(lines[3]["key"], Value::Null);

    let receipt = receipt.ok();
    for (in_receipt, in_line) in [
        ("subject", "subject"),
        ("time", "time"),
        ("request_id", "request_id"),
        ("versions_removed", "removed"),
    ] {
        assert_eq!(receipt[in_receipt], lines[9][in_line], "{in_line}");
    }
    assert_eq!(receipt["versions_removed"], 1);
    assert_eq!(lines[8]["request_id"], lines[9]["request_id"]);
}

#[tokio::test]
async fn a_second_purge_of_a_dropped_file_says_that_nothing_was_left() {
    let app = App::start().await;
    app.put_raw("inbox", "acme/a", b"waiting").await;
    app.put_raw(VAULT, "acme/a", b"sealed").await;
    let path = format!("/api/files/{}?purge=true", id_of("a"));
    for removed in [2, 0] {
        let receipt = app.ask(Method::DELETE, &path).await.ok();
        assert_eq!(receipt["versions_removed"], removed);
    }
}

#[tokio::test]
async fn without_an_intent_there_is_no_effect() {
    let app = App::with_trail(Trail::new(FullDisk, None)).await;
    let id = app.upload("a", b"x").await;
    for query in ["", "?purge=true"] {
        let path = format!("/api/files/{id}{query}");
        let answer = app.ask(Method::DELETE, &path).await;
        answer.is_problem(query, 503, "dependency-unavailable");
    }
    assert_eq!(app.send(get(API_KEY, &id)).await.body, b"x");
    assert_eq!(app.versions(VAULT).await, (1, 0));
}
