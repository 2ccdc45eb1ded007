//! The problem documents, word for word.

use caas_testing::{API_KEY, Fault, VAULT, form, post_json, problem_documents, request, with};
use http::Method;

use serde_json::{Value, json};

use crate::{
    sent_parts::{PART, SentUpload},
    support::{App, MAX_BODY_BYTES, begin_upload, get, id_of, post, upload},
};

#[tokio::test]
async fn problem_documents_are_pinned() {
    let app = App::start().await;
    app.put_raw(VAULT, "acme/foreign", b"content").await;
    let id = app.upload("a", b"x").await;
    let file = format!("/api/files/{id}");
    let upload_of = |name: &str, content: &[u8]| upload(API_KEY, name, content);
    let repeated = |key: &str| with(upload_of("a", b"x"), "idempotency-key", key);
    let bare = |method: Method, path: &str| request(method, API_KEY, path);
    let large = vec![0; MAX_BODY_BYTES as usize];
    let json = |path: &str, body: &Value| {
        let path = format!("/api/uploads{path}");
        with(post_json(&path, body.to_string()), "x-api-key", API_KEY)
    };
    let begin = |mode: &str, size: u64, part_size: u64| {
        let body = json!({"name": "a", "mode": mode, "size": size, "part_size": part_size});
        json("", &body)
    };
    let sent = SentUpload::begin(&app, 5).await;
    let mut other = SentUpload::begin(&app, 5).await;
    other.send_all(&app).await;
    let e_tag = format!("\"{}\"", "0".repeat(32));
    let complete = |upload: &SentUpload, number: u64, etag: &str| {
        let parts = [json!({"number": number, "etag": etag})];
        json(
            "/complete",
            &json!({"upload": upload.token(), "parts": parts}),
        )
    };
    let parts = |from: u64, md5: &str| {
        let md5s = [md5];
        let body = json!({"upload": sent.token(), "from": from, "count": 1, "content_md5": md5s});
        json("/parts", &body)
    };
    let requests = [
        ("no API key", upload("", "a", b"x")),
        ("no form", bare(Method::POST, "/api/upload/")),
        ("no file", post("/api/upload/", API_KEY, form(&[]))),
        ("a broken form", post("/api/upload/", API_KEY, "x")),
        ("a bad name", upload_of("a%0Ab", b"x")),
        ("too large", upload_of("a", &large)),
        ("a bad idempotency key", repeated("")),
        ("a bad mode", begin_upload("a", "x")),
        ("a bad name to begin", begin_upload("a\n", "client")),
        ("parts in the inbox", begin("inbox", 5, PART)),
        ("small parts", begin("client", 5, 1)),
        ("too large in parts", begin("client", 1 << 36, PART)),
        ("a bad token", json("/abort", &json!({"upload": "x"}))),
        ("no such part", parts(2, "")),
        ("a bad MD5", parts(1, "x")),
        ("bad part numbers", complete(&sent, 2, &e_tag)),
        ("a bad ETag", complete(&sent, 1, "x")),
        ("a missing part", complete(&sent, 1, &e_tag)),
        ("another part", complete(&other, 1, &e_tag)),
        ("no JSON", bare(Method::POST, "/api/uploads")),
        ("an absent file", get(API_KEY, &id_of("absent"))),
        ("no id", get(API_KEY, "x")),
        ("a foreign file", get(API_KEY, &id_of("foreign"))),
        ("an unknown query", bare(Method::GET, "/api/files?x=1")),
        ("a bad cursor", bare(Method::GET, "/api/files?cursor=x")),
        (
            "a bad purge",
            bare(Method::DELETE, &format!("{file}?purge=x")),
        ),
        ("an unknown path", bare(Method::GET, "/api/nothing")),
        ("a wrong method", bare(Method::PUT, &file)),
    ];
    let mut documents = problem_documents(&app.router, requests).await;
    assert_eq!(sent.abort(&app).await.status, 204);
    let aborted = [("an upload that has ended", complete(&sent, 1, &e_tag))];
    documents += &problem_documents(&app.router, aborted).await;
    let denied = Fault::kms(400, "DisabledException");
    app.proxies.kms.set_rule(move |_| denied.clone());
    let resume = json!({"upload": other.token(), "from": 1, "count": 1, "resume": true});
    let unserved = [
        ("KMS fails", get(API_KEY, &id)),
        ("KMS fails to resume", json("/parts", &resume)),
    ];
    documents += &problem_documents(&app.router, unserved).await;
    insta::assert_snapshot!(documents);
}
