//! Nobody learns anything about another client's files.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD},
};
use caas_testing::{API_KEY, OTHER_API_KEY, request, with};
use http::Method;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use crate::support::{App, get, id_of, upload};

#[tokio::test]
async fn another_clients_id_answers_as_an_absent_one() {
    let app = App::start().await;
    let theirs = app.upload("secret.txt", b"acme's").await;
    let absent = id_of("0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e11/secret.txt");
    let stored = app.send(get(API_KEY, &theirs)).await;
    let e_tag = stored.header("etag");
    for (method, queries) in [
        (Method::GET, &[""][..]),
        (Method::HEAD, &[""]),
        (Method::DELETE, &["", "?purge=true"]),
    ] {
        for query in queries {
            for header in [None, Some(e_tag), Some("*")] {
                let ask = |id: &str| {
                    let path = format!("/api/files/{id}{query}");
                    let request = request(method.clone(), OTHER_API_KEY, &path);
                    app.send(match header {
                        Some(tags) => with(request, "if-none-match", tags),
                        None => request,
                    })
                };
                let (theirs, absent) = (ask(&theirs).await, ask(&absent).await);
                assert_eq!(theirs.status, 404);
                assert_eq!(theirs.anonymous(), absent.anonymous(), "{method} {query}");
            }
        }
    }
    assert_eq!(app.send(get(API_KEY, &theirs)).await.body, b"acme's");
    let list = request(Method::GET, OTHER_API_KEY, "/api/files");
    let list = app.send(list).await;
    assert_eq!(list.json()["files"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn what_is_no_id_answers_as_an_absent_one() {
    let app = App::start().await;
    app.put_raw("vault", "globex/a", b"x").await;
    let absent = app.send(get(API_KEY, &id_of("absent"))).await.anonymous();
    for id in [
        id_of("../globex/a"),
        id_of("a/../../globex/a"),
        id_of("/globex/a"),
        id_of("."),
        id_of(""),
        id_of("a//b"),
        id_of("a/"),
        id_of("a\0"),
        id_of(&"a".repeat(1_020)),
        BASE64_URL_SAFE.encode("absent12"),
        "*".to_owned(),
        "%2e%2e%2fglobex%2fa".to_owned(),
        "%FF".to_owned(),
        "YR".to_owned(),
        "_w".to_owned(),
        "~".repeat(5_000),
    ] {
        if id.is_empty() {
            continue; // that is another path
        }
        let before = app.emulator.calls();
        let answer = app.send(get(API_KEY, &id)).await;
        assert_eq!(answer.anonymous(), absent, "{id}");
        assert_eq!(app.emulator.calls().since(&before).s3(), 0, "{id}");
    }
}

/// Arbitrary bytes as an id, in any encoding, reach nothing of another client's: what globex has is
/// still there after acme has purged it under every name.
#[tokio::test]
async fn no_id_leaves_the_prefix() {
    let app = App::start().await;
    let names = ["a", "acme/a", "../a"];
    for name in names {
        for bucket in ["vault", "inbox"] {
            let key = format!("globex/{name}");
            app.put_raw(bucket, &key, b"theirs").await;
        }
    }
    let ids = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..24),
        r"(\.\.?|globex|acme|/|\\|%2e|%2F|a){1,8}".prop_map(String::into_bytes),
    ];
    let mut runner = TestRunner::deterministic();
    for _ in 0..150 {
        let bytes = ids.new_tree(&mut runner).unwrap().current();
        let escaped: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
        let ids = [
            BASE64_URL_SAFE_NO_PAD.encode(&bytes),
            BASE64_URL_SAFE.encode(&bytes),
            BASE64_STANDARD.encode(&bytes).replace('/', "%2F"),
            escaped,
        ];
        for id in ids.iter().filter(|id| !id.is_empty()) {
            for (method, purge) in [(Method::GET, ""), (Method::DELETE, "?purge=true")] {
                let path = format!("/api/files/{id}{purge}");
                let answer = app.ask(method, &path).await;
                answer.is_problem(id, 404, "not-found");
            }
        }
    }
    for bucket in ["vault", "inbox"] {
        assert_eq!(app.visible(bucket).await.len(), names.len(), "{bucket}");
        assert_eq!(app.versions(bucket).await, (names.len(), 0), "{bucket}");
    }
}

#[tokio::test]
async fn equal_names_of_two_clients_are_two_files() {
    let app = App::start().await;
    for (key, content) in [(API_KEY, "acme's"), (OTHER_API_KEY, "globex's")] {
        let request = upload(key, "same", content.as_bytes());
        let stored = app.send(with(request, "idempotency-key", "same")).await;
        assert_eq!(stored.header("idempotency-replayed"), "");
        let id = stored.json()["file"]["id"].as_str().unwrap().to_owned();
        assert_eq!(app.send(get(key, &id)).await.text(), content);
    }
}
