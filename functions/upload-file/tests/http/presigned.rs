//! Uploads and grants: the service hands out keys and presigned requests, S3 gets and gives the bytes.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use aws_sdk_s3::presigning::PresigningConfig;
use axum::body::Body;
use base64::{Engine, prelude::BASE64_STANDARD};
use caas_testing::{API_KEY, INBOX, OTHER_API_KEY, VAULT, bytes, post_json, request, with};
use http::{Method, Request};
use serde_json::{Value, json};

use crate::support::{App, get, id_of, path_of};

/// Larger than what goes in one request.
const TOO_LARGE: u64 = 5_000_000_001;

fn begin(key: &str, body: &Value) -> Request<Body> {
    with(
        post_json("/api/uploads", body.to_string()),
        "x-api-key",
        key,
    )
}

fn ask(mode: &str, size: u64) -> Value {
    let content_type = "text/x-notes; charset=utf-8";
    json!({"name": "ä b.txt", "size": size, "content_type": content_type, "mode": mode})
}

fn ask_grant(key: &str, id: &str) -> Request<Body> {
    request(Method::POST, key, &format!("/api/files/{id}/grant"))
}

/// Begins an upload as acme, which must succeed.
async fn begun(app: &App, mode: &str, size: usize) -> Value {
    let answer = app.send(begin(API_KEY, &ask(mode, size as u64))).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let upload = answer.json();
    let location = format!("/api/files/{}", upload["id"].as_str().unwrap());
    assert_eq!(answer.header("location"), location);
    upload
}

async fn granted(app: &App, id: &str) -> Value {
    let answer = app.send(ask_grant(API_KEY, id)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn binary<const N: usize>(value: &Value) -> [u8; N] {
    let bytes = BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap();
    bytes.try_into().unwrap()
}

/// Key, IV and additional data.
fn parameters(answer: &Value) -> ([u8; 32], [u8; 12], [u8; 2]) {
    let encryption = &answer["encryption"];
    assert_eq!(encryption["tag_length"], 16);
    let field = |name| &encryption[name];
    (
        binary(field("key")),
        binary(field("iv")),
        binary(field("aad")),
    )
}

pub(crate) fn seal(upload: &Value, content: &[u8]) -> Vec<u8> {
    let (key, iv, aad) = parameters(upload);
    seal_with(key, iv, &aad, content)
}

fn seal_with(key: [u8; 32], iv: [u8; 12], aad: &[u8], msg: &[u8]) -> Vec<u8> {
    let cipher = Aes256Gcm::new(&key.into());
    cipher.encrypt(&iv.into(), Payload { msg, aad }).unwrap()
}

fn open(grant: &Value, body: &[u8]) -> Vec<u8> {
    let (key, iv, aad) = parameters(grant);
    let (msg, aad) = (body, &aad[..]);
    let cipher = Aes256Gcm::new(&key.into());
    cipher.decrypt(&iv.into(), Payload { msg, aad }).unwrap()
}

pub(crate) fn put(upload: &Value, url: &str, body: Vec<u8>) -> reqwest::RequestBuilder {
    let headers = upload["headers"].as_object().unwrap();
    let request = reqwest::Client::new().put(url).body(body);
    // The body gives the length.
    let headers = headers.iter().filter(|(name, _)| *name != "content-length");
    headers.fold(request, |request, (name, value)| {
        request.header(name, value.as_str().unwrap())
    })
}

/// The metadata that the headers of an upload stand for.
fn metadata(upload: &Value) -> HashMap<String, String> {
    let headers = upload["headers"].as_object().unwrap().iter();
    let metadata = headers.filter_map(|(name, value)| {
        let name = name.strip_prefix("x-amz-meta-")?;
        Some((name.to_owned(), value.as_str()?.to_owned()))
    });
    metadata.collect()
}

async fn store(upload: &Value, body: Vec<u8>) -> u16 {
    let request = put(upload, upload["url"].as_str().unwrap(), body);
    request.send().await.unwrap().status().as_u16()
}

async fn fetch(grant: &Value) -> Vec<u8> {
    let answer = reqwest::get(grant["url"].as_str().unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap().into()
}

#[tokio::test]
async fn a_client_seals_and_opens_by_itself() {
    let app = App::start().await;
    for len in [0, 1, 16, 100_000] {
        let content = bytes(len);
        let upload = begun(&app, "client", len).await;
        assert_eq!(upload["method"], "PUT");
        assert_eq!(upload["headers"]["content-length"], (len + 16).to_string());
        let id = upload["id"].as_str().unwrap();
        let early = app.send(get(API_KEY, id)).await;
        early.is_problem("not yet", 404, "not-found");
        assert_eq!(store(&upload, seal(&upload, &content)).await, 200);

        let stored = app.send(get(API_KEY, id)).await;
        assert_eq!((stored.status.as_u16(), &stored.body), (200, &content));
        assert_eq!(stored.header("content-type"), "text/x-notes; charset=utf-8");

        let grant = granted(&app, id).await;
        assert_eq!(grant["size"], len);
        assert_eq!(grant["name"], "ä b.txt");
        assert_eq!(grant["content_type"], "text/x-notes; charset=utf-8");
        assert_eq!(grant["encryption"], upload["encryption"]);
        assert_eq!(grant["etag"], stored.header("etag"));
        assert_eq!(open(&grant, &fetch(&grant).await), content);
    }
}

#[tokio::test]
async fn a_grant_is_for_what_the_service_sealed_too_and_for_one_version() {
    let app = App::start().await;
    let id = app.upload("a.txt", b"first").await;
    let grant = granted(&app, &id).await;
    assert_eq!(open(&grant, &fetch(&grant).await), b"first");
    // Another version of the same file, and then none.
    let key = format!("acme/{}", path_of(&id));
    app.put_raw(VAULT, &key, b"something else").await;
    assert_eq!(open(&grant, &fetch(&grant).await), b"first");
    app.ask(Method::DELETE, &format!("/api/files/{id}")).await;
    assert_eq!(open(&grant, &fetch(&grant).await), b"first");
    let purge = format!("/api/files/{id}?purge=true");
    app.ask(Method::DELETE, &purge).await;
    let gone = reqwest::get(grant["url"].as_str().unwrap()).await.unwrap();
    assert_eq!(gone.status(), 404);
    let grant = app.send(ask_grant(API_KEY, &id)).await;
    grant.is_problem("purged", 404, "not-found");
}

#[tokio::test]
async fn the_inbox_takes_plaintext_without_a_key() {
    let app = App::start().await;
    let upload = begun(&app, "inbox", 5).await;
    assert!(upload.get("encryption").is_none());
    let headers = json!({
        "content-length": "5",
        "content-type": "text/x-notes; charset=utf-8",
        "if-none-match": "*",
        "x-amz-meta-caas-single-use": "true",
    });
    assert_eq!(upload["headers"], headers);
    assert_eq!(store(&upload, b"hello".to_vec()).await, 200);
    let key = format!("acme/{}", path_of(upload["id"].as_str().unwrap()));
    assert_eq!(app.visible(INBOX).await, [key]);
    assert!(app.visible(VAULT).await.is_empty());
    // Once: for as long as it lies there.
    assert_eq!(store(&upload, b"again".to_vec()).await, 412);
}

#[tokio::test]
async fn a_request_that_deviates_stores_nothing() {
    let app = App::start().await;
    for mode in ["client", "inbox"] {
        let upload = begun(&app, mode, 20).await;
        let url = upload["url"].as_str().unwrap();
        let body = match mode {
            "client" => seal(&upload, &bytes(20)),
            _ => bytes(20),
        };
        let without = |name: &str| {
            let mut upload = upload.clone();
            upload["headers"].as_object_mut().unwrap().remove(name);
            put(&upload, url, body.clone())
        };
        let with = |name: &str, value: &str| {
            let mut upload = upload.clone();
            upload["headers"][name] = value.into();
            put(&upload, url, body.clone())
        };
        let to = |url: String| {
            assert_ne!(url, upload["url"].as_str().unwrap());
            put(&upload, &url, body.clone())
        };
        let id = upload["id"].as_str().unwrap();
        let folder = path_of(id).split('/').next().unwrap().to_owned();
        let other_folder = "0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e11";
        let mut cases = vec![
            ("longer", put(&upload, url, [&body[..], b"x"].concat())),
            ("shorter", put(&upload, url, body[1..].to_vec())),
            ("empty", put(&upload, url, Vec::new())),
            ("no condition", without("if-none-match")),
            ("other condition", with("if-none-match", "\"x\"")),
            ("no content type", without("content-type")),
            ("other content type", with("content-type", "text/html")),
            ("more metadata", with("x-amz-meta-m", "1")),
            ("an ACL", with("x-amz-acl", "public-read")),
            ("another key", to(url.replace(&folder, other_folder))),
            ("another name", to(url.replace(".txt", ".exe"))),
            ("another client", to(url.replace("/acme/", "/globex/"))),
            (
                "another bucket",
                to(match mode {
                    "client" => url.replace("/vault/", "/inbox/"),
                    _ => url.replace("/inbox/", "/vault/"),
                }),
            ),
            (
                "longer life",
                to(url.replace("Expires=300", "Expires=3000")),
            ),
            (
                "no signature",
                to(url.split('?').next().unwrap().to_owned()),
            ),
        ];
        let names = upload["headers"].as_object().unwrap().keys();
        for name in names.filter(|name| name.starts_with("x-amz-meta-")) {
            cases.push(("a field missing", without(name)));
            cases.push(("another value", with(name, "115x")));
            let other = begun(&app, mode, 20).await;
            let value = other["headers"][name].as_str().unwrap();
            if value != upload["headers"][name] {
                cases.push(("another file's value", with(name, value)));
            }
        }
        for (case, request) in cases {
            let status = request.send().await.unwrap().status();
            assert_eq!(status, 403, "{mode}: {case}");
        }
        assert!(app.visible(VAULT).await.is_empty(), "{mode}");
        assert!(app.visible(INBOX).await.is_empty(), "{mode}");
        // As it was meant it works, once.
        assert_eq!(store(&upload, body.clone()).await, 200);
        assert_eq!(store(&upload, body).await, 412);
        for bucket in [VAULT, INBOX] {
            for key in app.visible(bucket).await {
                let delete = app.clients.s3.delete_object().bucket(bucket).key(key);
                delete.send().await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn racing_senders_of_one_upload_store_one_file() {
    let app = App::start().await;
    let upload = begun(&app, "client", 9).await;
    let body = seal(&upload, b"some text");
    let senders = (0..8).map(|_| store(&upload, body.clone()));
    let mut statuses = futures::future::join_all(senders).await;
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200);
    let is_refusal = |status: &u16| matches!(status, 409 | 412);
    assert!(statuses[1..].iter().all(is_refusal));
    assert_eq!(app.versions(VAULT).await, (1, 0));
}

#[tokio::test]
async fn a_request_ends_after_five_minutes() {
    let app = App::start().await;
    let before = SystemTime::now();
    let upload = begun(&app, "client", 5).await;
    let id = app.upload("there.txt", b"hello").await;
    let grant = granted(&app, &id).await;
    let lifetime = Duration::from_secs(300);
    let possible = before + lifetime - Duration::from_secs(1)..=SystemTime::now() + lifetime;
    for answer in [&upload, &grant] {
        let url = answer["url"].as_str().unwrap();
        assert!(url.contains("X-Amz-Expires=300&"), "{url}");
        let format = &time::format_description::well_known::Rfc3339;
        let expires_at = answer["expires_at"].as_str().unwrap();
        let expires_at = SystemTime::from(time::OffsetDateTime::parse(expires_at, format).unwrap());
        assert!(possible.contains(&expires_at), "{expires_at:?}");
    }
    // The same requests, signed five minutes and a second ago.
    let signed_before = PresigningConfig::builder()
        .start_time(before - Duration::from_secs(301))
        .expires_in(lifetime)
        .build()
        .unwrap();
    let key = format!("acme/{}", path_of(upload["id"].as_str().unwrap()));
    let expired = app.clients.s3.put_object().bucket(VAULT).key(key);
    let expired = expired
        .set_metadata(Some(metadata(&upload)))
        .if_none_match("*")
        .content_length(21)
        .content_type("text/x-notes; charset=utf-8")
        .presigned(signed_before.clone())
        .await
        .unwrap();
    let late = put(&upload, expired.uri(), seal(&upload, b"hello"));
    assert_eq!(late.send().await.unwrap().status(), 403);
    let key = format!("acme/{}", path_of(&id));
    let expired = app.clients.s3.get_object().bucket(VAULT).key(key);
    let expired = expired.presigned(signed_before).await.unwrap();
    assert_eq!(reqwest::get(expired.uri()).await.unwrap().status(), 403);
}

#[tokio::test]
async fn nobody_gets_a_grant_for_another_clients_file() {
    let app = App::start().await;
    let id = app.upload("secret.txt", b"acme's").await;
    let absent = id_of("0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e11/secret.txt");
    let kms = app.emulator.calls().kms();
    let theirs = app.send(ask_grant(OTHER_API_KEY, &id)).await;
    let nothing = app.send(ask_grant(OTHER_API_KEY, &absent)).await;
    assert_eq!(theirs.status, 404);
    assert_eq!(theirs.anonymous(), nothing.anonymous());
    for id in [id_of("../acme/a"), "*".to_owned(), "%FF".to_owned()] {
        let answer = app.send(ask_grant(API_KEY, &id)).await;
        answer.is_problem(&id, 404, "not-found");
    }
    assert_eq!(app.emulator.calls().kms(), kms);
    // A grant's URL is for one object.
    let url = granted(&app, &id).await["url"].as_str().unwrap().to_owned();
    app.put_raw(VAULT, "globex/a", b"globex's").await;
    let globex = format!("/globex/a?{}", url.split_once('?').unwrap().1);
    let globex = format!("{}{globex}", url.split_once("/acme/").unwrap().0);
    assert_eq!(reqwest::get(globex).await.unwrap().status(), 403);
}

#[tokio::test]
async fn what_cannot_be_uploaded_costs_nothing() {
    let app = App::start().await;
    let whole = json!({"name": "a", "size": 1, "mode": "client"});
    let with = |field: &str, value: Value| {
        let mut body = whole.clone();
        body[field] = value;
        body
    };
    let without = |field: &str| {
        let mut body = whole.clone();
        body.as_object_mut().unwrap().remove(field);
        body
    };
    let mut inbox = with("mode", "inbox".into());
    inbox["content_type"] = "a\r\nx: y".into();
    let cases = [
        (
            400,
            "invalid-request",
            vec![
                without("name"),
                without("size"),
                without("mode"),
                with("mode", "server".into()),
                with("mode", 1.into()),
                with("size", (-1).into()),
                with("size", 1.5.into()),
                with("size", "1".into()),
                with("size", Value::Null),
                with("name", 1.into()),
                with("x", 1.into()),
                with("content_type", "".into()),
                inbox,
                json!([]),
            ],
        ),
        (
            400,
            "invalid-filename",
            vec![
                with("name", "a\n".into()),
                json!({"name": "a\u{ffff}", "size": 1, "mode": "inbox"}),
            ],
        ),
        (
            413,
            "too-large",
            vec![
                ask("client", (1 << 36) - 31),
                ask("inbox", TOO_LARGE),
                ask("client", u64::MAX),
                json!({"name": "a".repeat(1_000_000)}),
            ],
        ),
    ];
    let cases = cases.into_iter().flat_map(|(status, code, bodies)| {
        let bodies = bodies.into_iter();
        bodies.map(move |body| (body, status, code))
    });
    let before = app.emulator.calls();
    for (body, status, code) in cases {
        let case = body.to_string();
        let answer = app.send(begin(API_KEY, &body)).await;
        answer.is_problem(&case[..case.len().min(80)], status, code);
        let unknown = app.send(begin("unknown-key-unknown-key", &body)).await;
        unknown.is_problem("key", 401, "unauthorized");
    }
    for name in ["..", "", "a/", "/x/../a.txt", &"ä".repeat(2_000)] {
        let body = json!({"name": name, "size": 0, "mode": "inbox"});
        let answer = app.send(begin(API_KEY, &body)).await;
        assert_eq!(answer.status, 201, "{name}");
        let path = path_of(answer.json()["id"].as_str().unwrap());
        assert_eq!(path.matches('/').count(), 1, "{path}");
        let headers = &answer.json()["headers"];
        assert_eq!(headers["content-type"], "application/octet-stream");
    }
    assert_eq!(app.emulator.calls().since(&before).iter().count(), 0);
    let method = app.ask(Method::GET, "/api/uploads").await;
    method.is_problem("GET", 405, "method-not-allowed");
}

#[tokio::test]
async fn without_an_inbox_there_is_no_inbox_mode() {
    let app = App::without_inbox().await;
    let refused = app.send(begin(API_KEY, &ask("inbox", 5))).await;
    refused.is_problem("inbox", 400, "invalid-request");
    assert!(refused.text().contains("mode 'client'"));
    begun(&app, "client", 5).await;
}

#[tokio::test]
async fn an_upload_and_a_grant_cost_the_same_for_every_size() {
    let app = App::start().await;
    for size in [0, 1 << 10, 1 << 30, 5_000_000_000] {
        let before = app.emulator.calls();
        app.send(begin(API_KEY, &ask("client", size))).await;
        app.send(begin(API_KEY, &ask("inbox", size))).await;
        let calls = app.emulator.calls().since(&before);
        let calls: Vec<_> = calls.iter().collect();
        assert_eq!(calls, [("kms:GenerateDataKey", 1)], "{size}");
    }
    for len in [0, 1 << 10, 16 << 20] {
        let upload = begun(&app, "client", len).await;
        assert_eq!(store(&upload, seal(&upload, &bytes(len))).await, 200);
        let before = app.emulator.calls();
        granted(&app, upload["id"].as_str().unwrap()).await;
        let calls = app.emulator.calls().since(&before);
        let calls: Vec<_> = calls.iter().collect();
        assert_eq!(calls, [("kms:Decrypt", 1), ("s3:HeadObject", 1)], "{len}");
    }
}

/// A client that stores something else than it was given a key for breaks its own file, and nothing
/// more.
#[tokio::test]
async fn what_a_client_sealed_wrongly_is_refused_when_it_is_read() {
    let app = App::start().await;
    let good = app.upload("good.txt", b"good").await;
    let len = 40;
    let content = bytes(len);
    let mut ids = Vec::new();
    for case in [
        "plaintext",
        "garbage",
        "another key",
        "another IV",
        "no AAD",
        "flipped",
    ] {
        let upload = begun(&app, "client", len).await;
        let (key, iv, aad) = parameters(&upload);
        let body = match case {
            "plaintext" => [&content[..], &[0; 16]].concat(),
            "garbage" => bytes(len + 16),
            "another key" => seal_with([7; 32], iv, &aad, &content),
            "another IV" => seal_with(key, [2; 12], &aad, &content),
            "no AAD" => seal_with(key, iv, b"", &content),
            _ => {
                let mut body = seal(&upload, &content);
                body[len / 2] ^= 1;
                body
            }
        };
        assert_eq!(store(&upload, body).await, 200, "{case}");
        ids.push((case, upload["id"].as_str().unwrap().to_owned(), len as u64));
    }
    // A presigned PUT has an exact length. What is shorter than a tag comes from somebody with access
    // to the bucket, under metadata that is in order.
    for stored_len in [0, 15] {
        let upload = begun(&app, "client", len).await;
        let id = upload["id"].as_str().unwrap().to_owned();
        let key = format!("acme/{}", path_of(&id));
        let object = app.clients.s3.put_object().bucket(VAULT).key(key);
        let object = object.set_metadata(Some(metadata(&upload)));
        object.body(bytes(stored_len).into()).send().await.unwrap();
        ids.push(("short", id, 0));
    }
    for (case, id, size) in &ids {
        let answer = app.send(get(API_KEY, id)).await;
        answer.is_problem(case, 422, "integrity-failure");
        let list = app.ask(Method::GET, "/api/files").await.json();
        let files = list["files"].as_array().unwrap();
        let entry = files.iter().find(|file| file["id"] == **id).unwrap();
        assert_eq!(entry["size"], *size, "{case}");
        let answer = app.send(ask_grant(API_KEY, id)).await;
        if *size == 0 {
            answer.is_problem(case, 422, "integrity-failure");
        } else {
            assert_eq!(answer.status, 200, "{case}: nobody has looked at the body");
        }
    }
    let list = app.ask(Method::GET, "/api/files").await.json();
    let listed = list["files"].as_array().unwrap();
    let mut listed: Vec<_> = listed
        .iter()
        .map(|file| file["id"].as_str().unwrap())
        .collect();
    listed.sort_unstable();
    let mut expected: Vec<_> = ids.iter().map(|(_, id, _)| id.as_str()).collect();
    expected.push(&good);
    expected.sort_unstable();
    assert_eq!(listed, expected);
    assert_eq!(app.send(get(API_KEY, &good)).await.body, b"good");
}
