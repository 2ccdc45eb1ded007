//! What was changed in storage does not open: one answer, whatever was changed, and no plaintext.

use aws_sdk_s3::primitives::ByteStream;
use caas_testing::{API_KEY, VAULT, request};
use http::Method;

use crate::support::{App, get, id_of, path_of};

const CONTENT: &[u8] = b"CANARY-content, long enough to show through";

#[tokio::test]
async fn one_answer_for_everything_that_does_not_open() {
    let app = App::start().await;
    let id = app.upload("a.txt", CONTENT).await;
    let key = format!("acme/{}", path_of(&id));
    let (metadata, body) = app.get_raw(VAULT, &key).await;

    let mut changes = Vec::new();
    for name in [
        "x-amz-c", "x-amz-3", "x-amz-w", "x-amz-t", "x-amz-d", "x-amz-i",
    ] {
        let mut removed = metadata.clone();
        removed.remove(name);
        changes.push((format!("without {name}"), removed, body.clone(), true));
        let mut doubled = metadata.clone();
        doubled.insert(name.to_owned(), format!("{0},{0}", metadata[name]));
        changes.push((format!("{name} doubled"), doubled, body.clone(), true));
    }
    for name in ["x-amz-key", "x-amz-key-v2", "x-amz-iv"] {
        let mut older = metadata.clone();
        older.insert(name.to_owned(), "AAAA".to_owned());
        changes.push((format!("with {name}"), older, body.clone(), true));
    }
    for name in ["x-amz-3", "x-amz-d", "x-amz-i"] {
        let mut flipped = metadata.clone();
        let value = &metadata[name];
        let first = if value.starts_with('A') { "B" } else { "A" };
        flipped.insert(name.to_owned(), format!("{first}{}", &value[1..]));
        changes.push((format!("{name} flipped"), flipped, body.clone(), false));
    }
    for byte in 0..body.len() {
        let mut flipped = body.clone();
        flipped[byte] ^= 1 << (byte % 8);
        changes.push((format!("byte {byte}"), metadata.clone(), flipped, false));
    }
    for len in [0, 15, 16, body.len() - 1] {
        let cut = body[..len].to_vec();
        changes.push((format!("cut to {len}"), metadata.clone(), cut, len < 16));
    }
    let longer = [&body[..], b"x"].concat();
    changes.push(("longer".to_owned(), metadata.clone(), longer, false));

    let mut answers = std::collections::HashSet::new();
    for (what, metadata, body, before_kms) in changes {
        let put = app.clients.s3.put_object().bucket(VAULT).key(&key);
        let put = put
            .set_metadata(Some(metadata))
            .body(ByteStream::from(body));
        put.send().await.unwrap();
        let before = app.emulator.calls();
        let answer = app.send(get(API_KEY, &id)).await;
        let calls = app.emulator.calls().since(&before);
        assert_eq!(calls.kms() == 0, before_kms, "{what}");
        answer.is_problem(&what, 422, "integrity-failure");
        assert!(!answer.text().contains("CANARY"), "{what}");
        answers.insert(format!("{:?}", answer.anonymous()));
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn a_copy_under_another_key_does_not_open() {
    let app = App::start().await;
    let id = app.upload("a.txt", CONTENT).await;
    let source = format!("{VAULT}/acme/{}", path_of(&id));
    let copy = app.clients.s3.copy_object().bucket(VAULT).key("acme/copy");
    copy.copy_source(source).send().await.unwrap();
    let kms = app.emulator.calls().kms();
    let answer = app.send(get(API_KEY, &id_of("copy"))).await;
    answer.is_problem("copy", 422, "integrity-failure");
    let head = request(
        Method::HEAD,
        API_KEY,
        &format!("/api/files/{}", id_of("copy")),
    );
    assert_eq!(app.send(head).await.status, 422);
    assert_eq!(app.emulator.calls().kms(), kms);
    assert_eq!(app.send(get(API_KEY, &id)).await.body, CONTENT);
}

/// AWS's own client wraps keys with any context. What it stored is listed, and is not damaged.
#[tokio::test]
async fn another_programs_object_is_called_so() {
    let app = App::start().await;
    let id = app.upload("a.txt", CONTENT).await;
    let key = format!("acme/{}", path_of(&id));
    let (mut metadata, body) = app.get_raw(VAULT, &key).await;
    for context in [
        r#"{"aws:x-amz-cek-alg":"115"}"#,
        r#"{"aws:x-amz-cek-alg":"115","tenant":"acme"}"#,
    ] {
        metadata.insert("x-amz-t".to_owned(), context.to_owned());
        let put = app.clients.s3.put_object().bucket(VAULT).key(&key);
        let put = put.set_metadata(Some(metadata.clone()));
        put.body(body.clone().into()).send().await.unwrap();
        let (answer, calls) = app.calls_of(app.send(get(API_KEY, &id))).await;
        answer.is_problem(context, 422, "integrity-failure");
        assert!(
            answer.text().contains("another encryption context"),
            "{}",
            answer.text()
        );
        assert_eq!(calls.kms(), 0);
    }
}
