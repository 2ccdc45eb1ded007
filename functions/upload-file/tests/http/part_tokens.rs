//! What somebody can do with the token of an upload: somebody else, somebody who alters it, and anybody
//! after the upload has ended.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use caas_testing::{API_KEY, INBOX, OTHER_API_KEY, VAULT, request, seeded_bytes};
use http::Method;
use serde_json::{Value, json};

use crate::{
    sent_parts::{PART, SentUpload, names, put},
    support::{App, get, id_of, path_of},
};

const CONTENT: usize = PART as usize + 100;
const PREFIX: &str = "caas-upload:v1:";

fn bytes_of(token: &str) -> Vec<u8> {
    let text = token.strip_prefix(PREFIX).unwrap();
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn text_of(bytes: &[u8]) -> Value {
    let text = BASE64_URL_SAFE_NO_PAD.encode(bytes);
    format!("{PREFIX}{text}").into()
}

#[tokio::test]
async fn another_tenants_upload_is_as_one_that_never_began() {
    let app = App::start().await;
    let mut upload = SentUpload::begin(&app, CONTENT).await;
    upload.send_all(&app).await;
    let before = app.emulator.calls();
    let mut theirs = Vec::new();
    for (route, body) in upload.requests() {
        let answer = app.post(OTHER_API_KEY, route, &body).await;
        answer.is_problem(route, 404, "not-found");
        theirs.push(answer.anonymous());
    }
    assert_eq!(names(&app.emulator.calls().since(&before)), []);

    // One that has ended, and so never began for all that anybody can see.
    let mut ended = SentUpload::begin(&app, CONTENT).await;
    ended.send_all(&app).await;
    assert_eq!(ended.abort(&app).await.status, 204);
    for ((route, body), theirs) in ended.requests().into_iter().zip(theirs) {
        let absent = app.post(API_KEY, route, &body).await;
        assert_eq!(theirs, absent.anonymous(), "{route}");
    }
    upload.complete(&app).await.ok();
    assert!(app.send(get(API_KEY, upload.id())).await.body == upload.content);
}

/// Every byte of a token, changed: the response is typed, nothing of others is touched, and KMS is
/// asked only about an upload that exists.
#[tokio::test]
async fn an_altered_token_does_no_harm() {
    let app = App::start().await;
    let file = app.upload("there.txt", b"there").await;
    let mut other = SentUpload::begin_with(&app, seeded_bytes(1, CONTENT)).await;
    other.send_all(&app).await;
    let mut upload = SentUpload::begin_with(&app, seeded_bytes(2, CONTENT)).await;
    upload.send_all(&app).await;

    let token = bytes_of(upload.token());
    let key_len = "acme/".len() + path_of(upload.id()).len();
    let key_end = 16 + 4 + key_len;
    let id_len = u32::from_be_bytes(token[key_end..key_end + 4].try_into().unwrap());
    let header = key_end + 4 + id_len as usize + 4;
    let [(parts, ask), (complete, name), (abort, end)] = upload.requests();
    for place in 0..token.len() {
        let mut changed = token.clone();
        changed[place] ^= 1;
        let altered = |body: &Value| {
            let mut body = body.clone();
            body["upload"] = text_of(&changed);
            body
        };
        let before = app.emulator.calls();
        let asked = app.post(API_KEY, parts, &altered(&ask)).await;
        let calls = app.emulator.calls().since(&before);
        match place {
            // Its lengths may be other ones: they are the client's own affair until the end.
            0..16 if asked.status == 200 => {
                assert_eq!(asked.json()["encryption"], upload.begun["encryption"]);
            }
            0..16 => asked.is_problem("lengths", 400, "invalid-request"),
            _ if place < header => {
                assert!(matches!(asked.status.as_u16(), 400 | 404), "{place}");
                assert_eq!(calls.kms(), 0, "{place}");
            }
            _ => {
                asked.is_problem("header", 400, "invalid-request");
                assert_eq!(calls.kms(), 1, "{place}");
            }
        }
        if place < header {
            let completed = app.post(API_KEY, complete, &altered(&name)).await;
            let status = completed.status.as_u16();
            assert!(matches!(status, 400 | 404 | 409), "{place}: {status}");
            if place >= 16 {
                let aborted = app.post(API_KEY, abort, &altered(&end)).await;
                let status = aborted.status.as_u16();
                assert!(matches!(status, 400 | 404), "{place}: {status}");
            }
        }
    }
    // S3 has the true header, so the file is whole even if the token's is another.
    let mut changed = token.clone();
    changed[header] ^= 1;
    let mut body = name.clone();
    body["upload"] = text_of(&changed);
    let refused = app.post(API_KEY, complete, &body).await;
    refused.is_problem("another header", 409, "upload-conflict");
    upload.complete(&app).await.ok();
    other.complete(&app).await.ok();
    for upload in [&upload, &other] {
        let stored = app.send(get(API_KEY, upload.id())).await;
        assert!(stored.body == upload.content);
    }
    assert_eq!(app.send(get(API_KEY, &file)).await.body, b"there");
    assert_eq!(app.visible(VAULT).await.len(), 3);
}

/// Fields of one own upload in the token of another.
#[tokio::test]
async fn fields_of_another_upload_do_not_fit() {
    let app = App::start().await;
    let mut uploads = Vec::new();
    for seed in 0..2 {
        let mut upload = SentUpload::begin_with(&app, seeded_bytes(seed, 1_000)).await;
        upload.send_all(&app).await;
        uploads.push(upload);
    }
    let [own, other] = &uploads[..] else {
        panic!("two uploads")
    };
    let fields = |token: &str| {
        let bytes = bytes_of(token);
        let (lengths, mut rest) = bytes.split_at(16);
        let mut fields = vec![lengths.to_vec()];
        while let Some((len, from)) = rest.split_first_chunk() {
            let (field, after) = from.split_at(u32::from_be_bytes(*len) as usize);
            fields.push([&len[..], field].concat());
            rest = after;
        }
        fields
    };
    for (place, kms) in [(1, 0), (2, 0), (3, 1)] {
        let mut mixed = fields(own.token());
        mixed[place] = fields(other.token())[place].clone();
        let before = app.emulator.calls();
        for (route, mut body) in own.requests() {
            body["upload"] = text_of(&mixed.concat());
            // With another header, S3 would complete or abort the true upload.
            if place < 3 || route.ends_with("parts") {
                let answer = app.post(API_KEY, route, &body).await;
                let (status, code) = if place < 3 {
                    (404, "not-found")
                } else {
                    (400, "invalid-request")
                };
                answer.is_problem(route, status, code);
            }
        }
        assert_eq!(app.emulator.calls().since(&before).kms(), kms, "{place}");
    }
    for upload in &uploads {
        upload.complete(&app).await.ok();
        let stored = app.send(get(API_KEY, upload.id())).await;
        assert!(stored.body == upload.content);
    }
}

#[tokio::test]
async fn an_upload_that_has_ended_gives_no_key() {
    let app = App::start().await;
    for end in ["completed", "aborted", "deleted", "purged"] {
        let mut upload = SentUpload::begin(&app, 1_000).await;
        let part = upload.parts(&app, 1, 1).await["parts"][0].clone();
        upload.send_all(&app).await;
        let path = format!("/api/files/{}", upload.id());
        let purge = format!("{path}?purge=true");
        let status = match end {
            "completed" => upload.complete(&app).await.status,
            "aborted" => upload.abort(&app).await.status,
            "deleted" => app.ask(Method::DELETE, &path).await.status,
            _ => app.ask(Method::DELETE, &purge).await.status,
        };
        assert!(status.is_success(), "{end}: {status}");
        assert_eq!(app.multipart_uploads(VAULT).await, 0, "{end}");

        let before = app.emulator.calls();
        for (route, body) in upload.requests() {
            let answer = app.post(API_KEY, route, &body).await;
            match (end, route) {
                ("completed", "/api/uploads/complete") => drop(answer.ok()),
                _ => answer.is_problem(end, 404, "not-found"),
            }
        }
        assert_eq!(app.emulator.calls().since(&before).kms(), 0, "{end}");
        assert_eq!(put(&part, upload.part(1)).await.0, 404, "{end}");
        let stored = app.send(get(API_KEY, upload.id())).await;
        assert_eq!(stored.status == 200, end == "completed", "{end}");
        for path in [&path, &purge] {
            let again = app.ask(Method::DELETE, path).await.status;
            let is_there = end == "completed" && *path == *path.trim_end_matches("?purge=true");
            if is_there {
                assert_eq!(again, 204, "{end}");
                let completed = upload.complete(&app).await;
                completed.is_problem("deleted", 404, "not-found");
            }
        }
    }
    assert!(app.visible(VAULT).await.is_empty());
}

/// Deleting an id touches no other upload, and tells a run of seal-object nothing.
#[tokio::test]
async fn deleting_one_upload_touches_no_other() {
    let app = App::start().await;
    let mut kept = SentUpload::begin(&app, 1_000).await;
    kept.send_all(&app).await;
    let gone = SentUpload::begin(&app, 1_000).await;
    // Others in the same folder, and one of seal-object: it looks the same to S3.
    let key = format!("acme/{}", path_of(gone.id()));
    for key in [format!("{key}.more"), "acme/dropped".to_owned()] {
        let create = app.clients.s3.create_multipart_upload().bucket(VAULT);
        create.key(key).send().await.unwrap();
    }
    app.put_raw(INBOX, "acme/dropped", b"x").await;
    for id in [gone.id(), &id_of("dropped")] {
        let deleted = app.ask(Method::DELETE, &format!("/api/files/{id}")).await;
        assert_eq!(deleted.status, 204);
    }
    assert_eq!(app.multipart_uploads(VAULT).await, 3);
    kept.complete(&app).await.ok();
    assert!(app.send(get(API_KEY, kept.id())).await.body == kept.content);
    // Somebody else's id is as absent as ever.
    let theirs = SentUpload::begin(&app, 5).await;
    let path = format!("/api/files/{}", theirs.id());
    let theirs_deleted = app
        .send(request(Method::DELETE, OTHER_API_KEY, &path))
        .await;
    theirs_deleted.is_problem("theirs", 404, "not-found");
    assert_eq!(theirs.parts(&app, 1, 1).await["held"], json!([]));
}
