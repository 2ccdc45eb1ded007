//! Nothing of a request reaches the log or the audit trail, whatever goes wrong.
//!
//! Runs in its own process, because it reads everything that the process logs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "shared with the other tests")]
#[path = "http/support.rs"]
mod support;

use caas_testing::{API_KEY, Fault, Log, post_json, request, with};
use http::Method;
use serde_json::{Value, json};

use support::{App, begin_upload, get, id_of, path_of, upload};

#[tokio::test]
async fn no_canary_in_the_log() {
    let log = Log::capture();
    let (app, trail) = App::audited().await;
    let mut statuses = Vec::new();
    let id = app.upload("CANARY-name.txt", b"CANARY-content").await;
    app.put_raw("vault", "acme/CANARY-foreign", b"CANARY-content")
        .await;
    let begin = json!({"name": "CANARY-name", "size": 5, "mode": "client", "part_size": 8 << 20});
    let begun = app.post(API_KEY, "/api/uploads", &begin).await.json();
    let token = begun["upload"].as_str().unwrap();
    let to_upload = |route: &str, mut fields: Value| {
        let path = format!("/api/uploads/{route}");
        if fields.get("upload").is_none() {
            fields["upload"] = token.into();
        }
        with(post_json(&path, fields.to_string()), "x-api-key", API_KEY)
    };
    let e_tag = format!("\"{}\"", "0".repeat(32));
    for (s3, kms) in [
        (Fault::Forward, Fault::Forward),
        (Fault::slow_down(), Fault::Forward),
        (Fault::CutRequest(5), Fault::Forward),
        (Fault::DropResponse, Fault::Forward),
        (Fault::Forward, Fault::kms_throttled()),
        (Fault::Forward, Fault::DropResponse),
    ] {
        app.proxies.s3.set_rule(move |_| s3.clone());
        app.proxies.kms.set_rule(move |_| kms.clone());
        let file = format!("/api/files/{id}");
        let large = vec![b'C'; 13_000_000];
        for request in [
            upload(API_KEY, "CANARY-name.txt", b"CANARY-content"),
            upload(API_KEY, "CANARY-name%0A.txt", b"CANARY-content"),
            upload(API_KEY, "CANARY-name.txt", &large),
            upload("CANARY-key", "CANARY-name.txt", b"CANARY-content"),
            with(
                upload(API_KEY, "CANARY-name", b"CANARY"),
                "idempotency-key",
                "CANARY-idempotency",
            ),
            begin_upload("CANARY-name.txt", "client"),
            begin_upload("CANARY-name.txt", "inbox"),
            begin_upload("CANARY-name.txt", "CANARY-mode"),
            to_upload("parts", json!({"from": 1, "count": 1, "resume": true})),
            to_upload(
                "parts",
                json!({"from": 1, "count": 1, "content_md5": ["CANARY"]}),
            ),
            to_upload("complete", json!({"parts": [{"number": 1, "etag": e_tag}]})),
            to_upload(
                "complete",
                json!({"parts": [{"number": 1, "etag": "CANARY"}]}),
            ),
            to_upload("abort", json!({"upload": "CANARY-token"})),
            request(Method::POST, API_KEY, &format!("{file}/grant")),
            get(API_KEY, &id),
            get(API_KEY, &id_of("CANARY-foreign")),
            get(API_KEY, &id_of("CANARY-absent")),
            with(get(API_KEY, &id), "if-none-match", "\"CANARY-tag\""),
            request(Method::HEAD, API_KEY, &file),
            request(Method::GET, API_KEY, "/api/files?cursor=CANARY-cursor"),
            request(Method::GET, API_KEY, "/api/files?CANARY-query=1"),
            request(
                Method::DELETE,
                API_KEY,
                &format!("{file}?purge=CANARY-purge"),
            ),
            request(
                Method::DELETE,
                API_KEY,
                &format!("/api/files/{}", id_of("CANARY-absent")),
            ),
        ] {
            statuses.push(app.send(request).await.status.as_u16());
        }
    }
    statuses.push(
        app.send(to_upload("abort", json!({})))
            .await
            .status
            .as_u16(),
    );
    for expected in [200, 201, 204, 400, 401, 404, 409, 413, 422, 503] {
        assert!(statuses.contains(&expected), "{expected} was not provoked");
    }
    let text = log.text();
    assert!(text.contains("S3 request failed"), "failures are logged");
    assert!(text.contains("an object is not in the vault's format"));
    log.lacks(&["CANARY", &id, &id_of("CANARY-foreign"), API_KEY]);
    log.lacks(&["X-Amz-Signature", "encryption", "caas-upload:v1", token]);
    let path = path_of(&id);
    let (folder, _) = path.split_once('/').unwrap();
    trail.lacks(&["CANARY", &id, &id_of("CANARY-foreign"), API_KEY, folder]);
    trail.lacks(&["X-Amz-Signature", "encryption", "caas-upload:v1", token]);
    let outcomes = trail.audit().into_iter();
    let outcomes = outcomes.filter(|line| line["audit"] == "outcome");
    assert_eq!(outcomes.count(), log.requests().len());
    // The route's own path, never the request's.
    let routes = [
        "/api/upload/",
        "/api/uploads",
        "/api/uploads/parts",
        "/api/uploads/complete",
        "/api/uploads/abort",
        "/api/files",
        "/api/files/{id}",
        "/api/files/{id}/grant",
        "",
    ];
    for line in log.requests() {
        assert!(routes.contains(&line["route"].as_str().unwrap()), "{line}");
    }
    insta::assert_snapshot!(log.line("request"), @r#"{"timestamp":…,"level":"INFO","message":"request","method":"POST","route":"/api/upload/","status":201,"duration_ms":…,"size":"1kB","span":{"request_id":…,"name":"request"}}"#);
}
