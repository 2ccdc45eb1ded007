//! The problem documents, word for word.

use caas_testing::{API_KEY, Fault, VAULT, form, problem_documents, request, with};
use http::Method;

use crate::support::{App, MAX_BODY_BYTES, begin_upload, get, id_of, post, upload};

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
    let denied = Fault::kms(400, "DisabledException");
    app.proxies.kms.set_rule(move |_| denied.clone());
    documents += &problem_documents(&app.router, [("KMS fails", get(API_KEY, &id))]).await;
    insta::assert_snapshot!(documents);
}
