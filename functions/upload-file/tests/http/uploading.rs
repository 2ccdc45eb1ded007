//! What is uploaded is stored sealed, and comes back.

use caas_testing::{API_KEY, VAULT, bytes, form, request, with};
use http::Method;

use crate::support::{App, get, path_of, post, upload};

#[tokio::test]
async fn a_file_goes_in_and_comes_out_at_every_size() {
    let app = App::start().await;
    for len in [0, 1, 15, 16, 17, 1 << 20, 4 << 20, 9 << 20] {
        let content = bytes(len);
        let request = upload(API_KEY, "path/to/Jahres bericht é.pdf", &content);
        let stored = app.send(request).await;
        assert_eq!(stored.status, 201, "{}", stored.text());
        let answer = stored.json();
        let message = "File uploaded and encrypted successfully.";
        assert_eq!(answer["message"], message);
        let file = &answer["file"];
        let id = file["id"].as_str().unwrap();
        assert_eq!(stored.header("location"), format!("/api/files/{id}"));
        assert_eq!(file["name"], "Jahres bericht é.pdf");
        assert_eq!(file["size"], len);
        assert_eq!(file["content_type"], "text/x-notes; charset=utf-8");
        assert_eq!(file["algorithm"], "AES-256-GCM");
        assert_eq!(file["format"], "amazon-s3-encryption-client-v3");
        let created_at = file["created_at"].as_str().unwrap();
        let is_utc = created_at.starts_with("20") && created_at.ends_with('Z');
        assert!(is_utc, "{created_at}");
        assert_eq!(file.as_object().unwrap().len(), 7);
        let path = path_of(id);
        let (uuid, name) = path.split_once('/').unwrap();
        assert_eq!(uuid.as_bytes()[14], b'7', "a version 7 UUID: {uuid}");
        assert_eq!(name, "Jahres bericht é.pdf");

        let got = app.send(get(API_KEY, id)).await;
        assert_eq!(got.status, 200);
        assert!(got.body == content, "{len}");
        assert_eq!(got.header("content-type"), "text/x-notes; charset=utf-8");
        assert_eq!(
            got.header("content-disposition"),
            "attachment; filename=\"Jahres bericht _.pdf\"; \
             filename*=UTF-8''Jahres%20bericht%20%C3%A9.pdf"
        );
        assert_eq!(got.header("x-content-type-options"), "nosniff");
        assert_eq!(got.header("cache-control"), "no-store");

        let before = app.emulator.calls();
        let head = app.ask(Method::HEAD, &format!("/api/files/{id}")).await;
        let calls = app.emulator.calls().since(&before);
        assert_eq!((head.status.as_u16(), calls.kms()), (200, 0));
        assert!(head.body.is_empty());
        for name in ["content-type", "content-disposition", "etag", "caas-size"] {
            assert_eq!(head.header(name), got.header(name), "{name}");
        }
        assert_eq!(head.header("caas-size"), len.to_string());
        assert_eq!(head.header("content-length"), len.to_string());
    }
}

#[tokio::test]
async fn what_is_stored_is_not_what_was_sent() {
    let app = App::start().await;
    let content = b"CANARY-content".repeat(100);
    app.upload("a.txt", &content).await;
    let key = app.visible(VAULT).await.remove(0);
    let (metadata, body) = app.get_raw(VAULT, &key).await;
    assert!(key.starts_with("acme/"));
    assert_eq!(metadata["x-amz-c"], "115");
    assert_eq!(body.len(), content.len() + 16);
    assert!(!String::from_utf8_lossy(&body).contains("CANARY"));
}

#[tokio::test]
async fn forms_without_slash_name_or_type() {
    let app = App::start().await;
    let headers = "Content-Disposition: form-data; name=\"file\"";
    let whole = form(&[(headers, b"x")]);
    let stored = app.send(post("/api/upload", API_KEY, whole)).await;
    assert_eq!(stored.status, 201, "{}", stored.text());
    let file = &stored.json()["file"];
    assert_eq!(file["name"], "file");
    assert_eq!(file["content_type"], "application/octet-stream");
    let got = app.send(get(API_KEY, file["id"].as_str().unwrap())).await;
    assert_eq!(got.header("content-type"), "application/octet-stream");

    let long = "x".repeat(300);
    let long = format!("{headers}; filename=\"a\"\r\nContent-Type: text/{long}");
    let whole = form(&[(&long, b"x")]);
    let stored = app.send(post("/api/upload/", API_KEY, whole)).await;
    let content_type = &stored.json()["file"]["content_type"];
    assert_eq!(content_type, "application/octet-stream");
}

#[tokio::test]
async fn what_is_wrong_costs_no_call_to_kms_and_stores_nothing() {
    let app = App::start().await;
    let file = |name: &str| {
        let headers = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"");
        form(&[(&headers, b"x")])
    };
    let elsewhere = form(&[(
        "Content-Disposition: form-data; name=\"upload\"; filename=\"a\"",
        b"x",
    )]);
    let large = bytes(crate::support::MAX_BODY_BYTES as usize + 1);
    let whole = file("a");
    for (case, body, status, code) in [
        ("empty", vec![], 400, "malformed-multipart"),
        (
            "cut",
            whole[..whole.len() - 8].to_vec(),
            400,
            "malformed-multipart",
        ),
        ("no file", elsewhere, 400, "file-count"),
        ("LF in the name", file("a%0Ab"), 400, "invalid-filename"),
        ("tab in the name", file("a\tb"), 400, "invalid-filename"),
        (
            "DEL in the name",
            file("a\u{7f}b"),
            400,
            "malformed-multipart",
        ),
        (
            "U+0085 in the name",
            file("a\u{85}b"),
            400,
            "invalid-filename",
        ),
        ("too large", large, 413, "too-large"),
    ] {
        let answer = app.send(post("/api/upload/", API_KEY, body)).await;
        answer.is_problem(case, status, code);
    }
    let json = request(Method::POST, API_KEY, "/api/upload/");
    let json = app.send(with(json, "content-type", "application/json"));
    json.await.is_problem("JSON", 415, "unsupported-media-type");
    for key in ["", "caas_wrong"] {
        for request in [
            upload(key, "a", b"x"),
            get(key, "YQ"),
            request(Method::GET, key, "/api/files"),
            request(Method::HEAD, key, "/api/files/YQ"),
            request(Method::DELETE, key, "/api/files/YQ"),
        ] {
            let answer = app.send(request).await;
            assert_eq!(answer.status, 401);
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
    let calls = app.emulator.calls();
    assert_eq!((calls.kms(), calls.s3()), (0, 0));
    let put = app.ask(Method::PUT, "/api/files/YQ").await;
    put.is_problem("PUT", 405, "method-not-allowed");
}

#[tokio::test]
async fn a_file_that_the_caller_has_is_not_sent_again() {
    let app = App::start().await;
    let id = app.upload("a", b"content").await;
    let e_tag = app.send(get(API_KEY, &id)).await.header("etag").to_owned();
    assert!(e_tag.starts_with('"') && e_tag.len() > 10, "{e_tag}");
    let kms = app.emulator.calls().kms();
    for method in [Method::GET, Method::HEAD] {
        let ask = |tags: &str| {
            let request = request(method.clone(), API_KEY, &format!("/api/files/{id}"));
            app.send(with(request, "if-none-match", tags))
        };
        let (weak, second) = (format!("W/{e_tag}"), format!("\"x\", {e_tag}"));
        for tags in [&*e_tag, &weak, &second, "*"] {
            let answer = ask(tags).await;
            assert_eq!(answer.status, 304, "{tags}");
            assert_eq!(answer.header("etag"), e_tag);
            assert!(answer.body.is_empty());
        }
    }
    assert_eq!(app.emulator.calls().kms(), kms);
    let other = with(get(API_KEY, &id), "if-none-match", "\"x\"");
    assert_eq!(app.send(other).await.body, b"content");
    let absent = with(get(API_KEY, "YWJzZW50"), "if-none-match", "*");
    let absent = app.send(absent).await;
    absent.is_problem("absent", 404, "not-found");
}

#[tokio::test]
async fn a_file_over_the_response_limit_points_to_the_grant() {
    let app = App::start().await;
    let len = crate::support::MAX_BODY_BYTES + 1;
    let key = caas_aws::KmsKey::new(app.clients.kms.clone(), "alias/files");
    let vault = caas_vault::Vault::new(app.clients.s3.clone(), VAULT, key);
    let name = caas_aws::ObjectKey::parse("acme/large").unwrap();
    let options = caas_aws::PutOptions::default();
    let put = vault.put(&name, bytes(len as usize), &options);
    put.await.unwrap();
    let kms = app.emulator.calls().kms();
    let answer = app.send(get(API_KEY, &name.id())).await;
    answer.is_problem("large", 413, "too-large");
    for hint in ["/api/files/{id}/grant", "12000000"] {
        assert!(answer.text().contains(hint), "{}", answer.text());
    }
    assert_eq!(app.emulator.calls().kms(), kms);
    let path = format!("/api/files/{}", name.id());
    let head = app.ask(Method::HEAD, &path).await;
    assert_eq!(head.header("caas-size"), len.to_string());
}
