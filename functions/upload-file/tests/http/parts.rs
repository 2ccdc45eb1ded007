//! Uploads in parts: what a client does with them, and what nobody can.

use std::time::{Duration, SystemTime};

use base64::{Engine, prelude::BASE64_STANDARD};
use caas_testing::{API_KEY, VAULT, bytes, seeded_bytes};
use http::Method;
use serde_json::{Value, json};

use crate::{
    sent_parts::{PART, SentUpload, ask, names, put},
    support::{App, get, path_of},
};

const CONTENT: usize = PART as usize + 100;

#[tokio::test]
async fn parts_in_any_order_and_repeated_become_one_file() {
    let app = App::start().await;
    let mut upload = SentUpload::begin(&app, CONTENT).await;
    assert_eq!(
        upload.begun["parts"],
        json!({"part_size": PART, "count": 2})
    );
    assert!(upload.begun.get("url").is_none());
    for number in [2, 1, 2] {
        upload.send(&app, number).await;
    }
    let early = app.send(get(API_KEY, upload.id())).await;
    early.is_problem("not yet", 404, "not-found");
    assert!(app.visible(VAULT).await.is_empty());

    let completed = upload.complete(&app).await;
    let file = completed.ok();
    assert_eq!(file["id"], upload.id());
    assert_eq!(
        (&file["size"], &file["name"]),
        (&json!(CONTENT), &json!("ä b.txt"))
    );
    assert_eq!(file["content_type"], "text/x-notes");
    let stored = app.send(get(API_KEY, upload.id())).await;
    assert_eq!(stored.status, 200);
    assert!(stored.body == upload.content);
    assert_eq!(app.multipart_uploads(VAULT).await, 0);
    let grant = format!("/api/files/{}/grant", upload.id());
    let grant = app.ask(Method::POST, &grant).await.ok();
    assert_eq!(grant["encryption"], upload.begun["encryption"]);

    for _ in 0..2 {
        assert_eq!(upload.complete(&app).await.ok(), file);
    }
    assert_eq!(app.versions(VAULT).await, (1, 0));
}

#[tokio::test]
async fn each_step_costs_what_it_must() {
    let app = App::start().await;
    let (mut upload, calls) = app.calls_of(SentUpload::begin(&app, CONTENT)).await;
    let begun = [("kms:GenerateDataKey", 1), ("s3:CreateMultipartUpload", 1)];
    assert_eq!(names(&calls), begun);
    for _ in 0..2 {
        let (_, calls) = app.calls_of(upload.parts(&app, 1, 2)).await;
        assert_eq!(names(&calls), [("s3:ListParts", 1)], "fresh URLs");
    }
    let resume = upload.ask_parts(&app, json!({"from": 1, "count": 1, "resume": true}));
    let (resumed, calls) = app.calls_of(resume).await;
    assert_eq!(names(&calls), [("kms:Decrypt", 1), ("s3:ListParts", 1)]);
    assert_eq!(resumed.ok()["encryption"], upload.begun["encryption"]);
    upload.send_all(&app).await;
    let (completed, calls) = app.calls_of(upload.complete(&app)).await;
    completed.ok();
    let steps = [
        ("s3:CompleteMultipartUpload", 1),
        ("s3:HeadObject", 1),
        ("s3:ListParts", 1),
    ];
    assert_eq!(names(&calls), steps);
    let (again, calls) = app.calls_of(upload.complete(&app)).await;
    again.ok();
    assert_eq!(names(&calls), [("s3:HeadObject", 1), ("s3:ListParts", 1)]);
    let (_, calls) = app.calls_of(upload.abort(&app)).await;
    assert_eq!(names(&calls), [("s3:AbortMultipartUpload", 1)]);
    // Only ids of such uploads are looked for among the uploads.
    let id = app.upload("a", b"x").await;
    for (id, lists) in [(id.as_str(), 0), (upload.id(), 1)] {
        let path = format!("/api/files/{id}");
        let (_, calls) = app.calls_of(app.ask(Method::DELETE, &path)).await;
        assert_eq!(calls.of("s3:ListMultipartUploads"), lists, "{calls:?}");
    }
}

#[tokio::test]
async fn what_is_held_is_said() {
    let app = App::start().await;
    let size = 3 * PART as usize + 5;
    let mut upload = SentUpload::begin(&app, size).await;
    assert_eq!(upload.parts(&app, 1, 4).await["held"], json!([]));
    for number in [4, 3, 1] {
        upload.send(&app, number).await;
    }
    let whole = |number: u16| json!({"number": number, "size": PART});
    let last = json!({"number": 4, "size": 21});
    for (from, count, held) in [
        (1, 4, json!([whole(1), whole(3), last])),
        (1, 2, json!([whole(1)])),
        (1, 1, json!([whole(1)])),
        (2, 1, json!([])),
        (2, 2, json!([whole(3)])),
        (3, 2, json!([whole(3), last])),
        (4, 1, json!([last])),
    ] {
        let (parts, calls) = app.calls_of(upload.parts(&app, from, count)).await;
        assert_eq!(parts["held"], held, "{from} {count}");
        assert_eq!(names(&calls), [("s3:ListParts", 1)], "{from} {count}");
        let requests = parts["parts"].as_array().unwrap();
        let numbers: Vec<_> = requests
            .iter()
            .map(|part| part["number"].as_u64())
            .collect();
        let expected: Vec<_> = (from..from + count).map(Some).collect();
        assert_eq!(numbers, expected);
        assert!(parts.get("encryption").is_none());
    }
}

#[tokio::test]
async fn the_longest_file_has_8192_parts() {
    let app = App::start().await;
    let longest = (1_u64 << 36) - 32;
    for (size, part_size, expected) in [
        (longest, None, (PART, 8192)),
        (longest, Some(PART), (PART, 8192)),
        (longest, Some(5_000_000_000), (5_000_000_000, 14)),
        (5_000_000_001, None, (PART, 597)),
        (0, Some(PART), (PART, 1)),
        (PART - 16, Some(PART), (PART, 1)),
        (PART - 15, Some(PART), (PART, 2)),
    ] {
        let (answer, calls) = app.calls_of(ask(&app, API_KEY, size, part_size)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let (part_size, count) = expected;
        let parts = json!({"part_size": part_size, "count": count});
        assert_eq!(answer.json()["parts"], parts, "{size}");
        assert_eq!(calls.of("kms:GenerateDataKey"), 1);
        let upload = SentUpload::of(answer.json(), Vec::new());
        let last = upload.parts(&app, count, 1).await;
        let len = size + 16 - (count - 1) * part_size;
        let headers = json!({"content-length": len.to_string()});
        assert_eq!(
            last["parts"][0]["headers"], headers,
            "nothing else is signed"
        );
        if count > 100 {
            let hundred = upload.parts(&app, count - 99, 100).await;
            assert_eq!(hundred["parts"].as_array().unwrap().len(), 100);
        }
    }
    // In one request, as ever.
    for (size, part_size) in [(5_000_000_000, None), (0, None)] {
        let answer = ask(&app, API_KEY, size, part_size).await;
        assert_eq!(answer.json()["method"], "PUT");
    }
}

#[tokio::test]
async fn an_upload_says_when_it_ends() {
    let app = App::start().await;
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    let before = SystemTime::now() + week - Duration::from_secs(1);
    let upload = SentUpload::begin(&app, 5).await;
    let format = &time::format_description::well_known::Rfc3339;
    let ends_at = upload.begun["ends_at"].as_str().unwrap();
    let ends_at = SystemTime::from(time::OffsetDateTime::parse(ends_at, format).unwrap());
    assert!((before..=SystemTime::now() + week).contains(&ends_at));
}

#[tokio::test]
async fn what_is_named_wrongly_costs_nothing() {
    let app = App::start().await;
    let upload = SentUpload::begin(&app, 2 * PART as usize).await;
    let token = upload.token();
    let md5 = BASE64_STANDARD.encode([0; 16]);
    let parts = |fields: Value| {
        let mut body = json!({"upload": token, "from": 1, "count": 1});
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        ("parts", body)
    };
    let e_tag = format!("\"{}\"", "0".repeat(32));
    let complete = |numbers: &[u64], e_tag: &str| {
        let parts = numbers.iter();
        let parts: Vec<_> = parts.map(|n| json!({"number": n, "etag": e_tag})).collect();
        ("complete", json!({"upload": token, "parts": parts}))
    };
    let mut cases = vec![
        parts(json!({"from": 0})),
        parts(json!({"from": 4})),
        parts(json!({"from": -1})),
        parts(json!({"from": 65536})),
        parts(json!({"count": 0})),
        parts(json!({"count": 4})),
        parts(json!({"count": 101})),
        parts(json!({"from": 3, "count": 2})),
        parts(json!({"from": 3, "count": 65535})),
        parts(json!({"resume": "true"})),
        parts(json!({"resume": null})),
        parts(json!({"x": 1})),
        parts(json!({"content_md5": []})),
        parts(json!({"content_md5": [md5, md5]})),
        parts(json!({"content_md5": [""]})),
        parts(json!({"content_md5": [md5.trim_end_matches('=')]})),
        parts(json!({"content_md5": [BASE64_STANDARD.encode([0; 15])]})),
        complete(&[], &e_tag),
        complete(&[1, 2], &e_tag),
        complete(&[1, 3, 2], &e_tag),
        complete(&[1, 2, 2, 3], &e_tag),
        complete(&[1, 2, 3, 4], &e_tag),
        complete(&[0, 1, 2, 3], &e_tag),
        complete(&[2, 3], &e_tag),
        complete(&[1, 2, 65537], &e_tag),
        complete(&[1, 2, 3], ""),
        complete(&[1, 2, 3], &e_tag[1..33]),
        complete(&[1, 2, 3], &e_tag.replace('0', "A")),
        complete(&[1, 2, 3], &format!("{}-3\"", &e_tag[..33])),
        ("complete", json!({"upload": token})),
        ("abort", json!({})),
        ("abort", json!({"upload": token, "x": 1})),
    ];
    let good_parts = json!({"from": 1, "count": 1});
    for bad in [
        "",
        "x",
        "caas-upload:v1:",
        &token[..token.len() - 1],
        &format!("{token}="),
    ] {
        let mut body = good_parts.clone();
        body["upload"] = bad.into();
        cases.push(("parts", body));
        cases.push(("abort", json!({"upload": bad})));
    }
    for body in [
        json!({"name": "a", "size": 1, "mode": "client", "part_size": 0}),
        json!({"name": "a", "size": 1, "mode": "client", "part_size": PART - 1}),
        json!({"name": "a", "size": 1, "mode": "client", "part_size": 5_000_000_001_u64}),
        json!({"name": "a", "size": 1, "mode": "client", "part_size": null}),
        json!({"name": "a", "size": 1, "mode": "inbox", "part_size": PART}),
    ] {
        cases.push(("", body));
    }
    let before = app.emulator.calls();
    for (route, body) in cases {
        let (case, path) = (format!("{route} {body}"), format!("/api/uploads/{route}"));
        let path = path.trim_end_matches('/');
        let answer = app.post(API_KEY, path, &body).await;
        answer.is_problem(&case, 400, "invalid-request");
        let unknown = app.post("unknown-key-unknown-key", path, &body).await;
        unknown.is_problem(&case, 401, "unauthorized");
    }
    let too_large = ask(&app, API_KEY, (1 << 36) - 31, None).await;
    too_large.is_problem("too large", 413, "too-large");
    let body = json!({"name": "a", "size": 5_000_000_001_u64, "mode": "inbox"});
    let too_large = app.post(API_KEY, "/api/uploads", &body).await;
    too_large.is_problem("inbox", 413, "too-large");
    assert!(too_large.text().contains("Mode 'client'"));
    assert_eq!(names(&app.emulator.calls().since(&before)), []);
    for route in ["parts", "complete", "abort"] {
        let answer = app.ask(Method::GET, &format!("/api/uploads/{route}")).await;
        answer.is_problem(route, 405, "method-not-allowed");
    }
}

#[tokio::test]
async fn a_part_that_deviates_is_not_stored() {
    let app = App::start().await;
    let upload = SentUpload::begin(&app, CONTENT).await;
    let other = SentUpload::begin(&app, CONTENT).await;
    let body = upload.part(2);
    let md5 = upload.md5(2);
    let request = json!({"from": 2, "count": 1, "content_md5": [md5]});
    let signed = upload.ask_parts(&app, request).await.ok()["parts"][0].clone();
    let headers = json!({"content-length": body.len().to_string(), "content-md5": md5});
    assert_eq!(signed["headers"], headers);
    let plain = upload.parts(&app, 2, 1).await["parts"][0].clone();
    let with = |part: &Value, url: String, name: &str, value: &str| {
        let mut part = part.clone();
        part["url"] = url.into();
        part["headers"][name] = value.into();
        part
    };
    let url = plain["url"].as_str().unwrap();
    let to = |from: &str, to: &str| {
        assert!(url.contains(from), "{url}");
        with(&plain, url.replace(from, to), "x-none", "")
    };
    let mut other_bytes = body.clone();
    other_bytes[0] ^= 1;
    let mut unsigned = signed.clone();
    unsigned["headers"]
        .as_object_mut()
        .unwrap()
        .remove("content-md5");
    let id_of = |url: &str| {
        let (_, id) = url.split_once("uploadId=").unwrap();
        id.split('&').next().unwrap().to_owned()
    };
    let other_url = other.parts(&app, 2, 1).await["parts"][0]["url"].clone();
    let other_id = id_of(other_url.as_str().unwrap());
    let path = |id: &str| path_of(id).split('/').next().unwrap().to_owned();
    for (case, part, body, status) in [
        ("longer", plain.clone(), [&body[..], b"x"].concat(), 403),
        ("shorter", plain.clone(), body[1..].to_vec(), 403),
        (
            "another number",
            to("partNumber=2", "partNumber=1"),
            body.clone(),
            403,
        ),
        (
            "another upload",
            to(&id_of(url), &other_id),
            body.clone(),
            403,
        ),
        (
            "another file",
            to(&path(upload.id()), &path(other.id())),
            body.clone(),
            403,
        ),
        (
            "another client",
            to("/acme/", "/globex/"),
            body.clone(),
            403,
        ),
        ("no part", to("partNumber=2&", ""), body.clone(), 403),
        (
            "longer life",
            to("Expires=300", "Expires=3000"),
            body.clone(),
            403,
        ),
        (
            "more headers",
            with(&plain, url.to_owned(), "x-amz-acl", "public-read"),
            body.clone(),
            403,
        ),
        ("other bytes than named", signed.clone(), other_bytes, 400),
        ("no MD5", unsigned, body.clone(), 403),
        (
            "another MD5",
            with(
                &signed,
                signed["url"].as_str().unwrap().into(),
                "content-md5",
                &upload.md5(1),
            ),
            body.clone(),
            403,
        ),
    ] {
        let (sent, _) = put(&part, body).await;
        assert_eq!(sent, status, "{case}");
    }
    assert_eq!(upload.parts(&app, 1, 2).await["held"], json!([]));
    assert_eq!(other.parts(&app, 1, 2).await["held"], json!([]));
    assert_eq!(put(&signed, body).await.0, 200);
}

#[tokio::test]
async fn missing_and_short_parts_do_not_complete() {
    let app = App::start().await;
    let mut upload = SentUpload::begin(&app, CONTENT).await;
    upload.send(&app, 2).await;
    upload.e_tags[0] = upload.e_tags[1].clone();
    let missing = upload.complete(&app).await;
    missing.is_problem("missing", 409, "upload-conflict");
    assert!(missing.text().contains("Part 1 "), "{}", missing.text());
    // Somebody with access to the bucket sends parts of other lengths.
    for (number, len) in [
        (1, PART as usize - 1),
        (1, PART as usize + 1),
        (2, 1),
        (2, 117),
    ] {
        upload.send_all(&app).await;
        upload.send_directly(&app, number, bytes(len)).await;
        let refused = upload.complete(&app).await;
        refused.is_problem("length", 409, "upload-conflict");
        let named = format!("Part {number} ");
        assert!(refused.text().contains(&named), "{}", refused.text());
        assert!(app.visible(VAULT).await.is_empty());
    }
    upload.send_all(&app).await;
    upload.complete(&app).await.ok();
    assert!(app.send(get(API_KEY, upload.id())).await.body == upload.content);
}

#[tokio::test]
async fn a_part_that_was_replaced_is_refused_by_its_etag() {
    let app = App::start().await;
    let mut upload = SentUpload::begin(&app, CONTENT).await;
    upload.send_all(&app).await;
    let mut other = upload.part(1);
    other[1000] ^= 1;
    upload.send_directly(&app, 1, other).await;
    for _ in 0..2 {
        let refused = upload.complete(&app).await;
        refused.is_problem("replaced", 409, "upload-conflict");
    }
    assert!(app.visible(VAULT).await.is_empty());
    upload.send(&app, 1).await;
    let file = upload.complete(&app).await.ok();

    // Completed with other parts than a repeat names.
    let true_e_tag = std::mem::replace(&mut upload.e_tags[0], format!("\"{}\"", "0".repeat(32)));
    let other = upload.complete(&app).await;
    other.is_problem("other parts", 409, "upload-conflict");
    upload.e_tags[0] = true_e_tag;
    assert_eq!(upload.complete(&app).await.ok(), file);
}

#[tokio::test]
async fn parts_swapped_between_two_uploads_do_not_open() {
    let app = App::start().await;
    let mut first = SentUpload::begin_with(&app, seeded_bytes(1, CONTENT)).await;
    let mut second = SentUpload::begin_with(&app, seeded_bytes(2, CONTENT)).await;
    first.send_all(&app).await;
    second.send_all(&app).await;
    second.e_tags[0] = second.send_directly(&app, 1, first.part(1)).await;
    for upload in [&first, &second] {
        upload.complete(&app).await.ok();
    }
    assert!(app.send(get(API_KEY, first.id())).await.body == first.content);
    let swapped = app.send(get(API_KEY, second.id())).await;
    swapped.is_problem("swapped", 422, "integrity-failure");
}
