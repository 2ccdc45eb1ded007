//! Every way to be wrong, and the response.

use axum::body::{Body, Bytes};
use caas_testing::{BOUNDARY, Part, form, post_form};
use futures::stream;
use http::{Method, Request};

use crate::support::{FILE, KEY, MAX_BODY_BYTES, call};

#[tokio::test]
async fn forms() {
    let file: Part<'_> = (FILE, b"content");
    let many_headers = format!("{FILE}\r\n{}", "x: y\r\n".repeat(40).trim_end());
    let long_header = format!("{FILE}\r\nx: {}", "y".repeat(9_000));
    let long_name = format!(
        r#"Content-Disposition: form-data; name="file"; filename="{}""#,
        "n".repeat(9_000)
    );
    let text = |name: &str| format!(r#"Content-Disposition: form-data; name="{name}""#);
    let elsewhere = FILE.replace("name=\"file\"", "name=\"upload\"");
    let other = text("other");
    let key = "A".repeat(43);
    let key: Part<'_> = (KEY, key.as_bytes());
    let named =
        |name: &str| format!(r#"Content-Disposition: form-data; name="file"; filename="{name}""#);
    let (line_feed, carriage_return) = (named("a%0Ab"), named("a%0Db"));
    let whole = form(&[file]);

    let cases = [
        (
            "/encrypt_file",
            400,
            "file-count",
            vec![
                ("no part", form(&[])),
                ("two files", form(&[file, file])),
                ("file elsewhere", form(&[(&elsewhere, b"x")])),
                ("file here and elsewhere", form(&[file, (&elsewhere, b"x")])),
            ],
        ),
        (
            "/encrypt_file",
            400,
            "malformed-multipart",
            vec![
                ("empty body", vec![]),
                ("only text", b"just text".to_vec()),
                ("cut in the headers", whole[..40].to_vec()),
                (
                    "cut before the last boundary",
                    whole[..whole.len() - BOUNDARY.len() - 6].to_vec(),
                ),
                ("nameless", form(&[("X: y", b"x")])),
                (
                    "nameless disposition",
                    form(&[("Content-Disposition: form-data", b"x")]),
                ),
                ("broken header", form(&[("no colon here", b"x")])),
                (
                    "two dispositions",
                    form(&[(&*format!("{FILE}\r\n{FILE}"), b"x")]),
                ),
                (
                    "NUL in a header",
                    form(&[(
                        "Content-Disposition: form-data; name=\"file\"; filename=\"a\0b\"",
                        b"x",
                    )]),
                ),
                ("too many headers", form(&[(&many_headers, b"x")])),
            ],
        ),
        (
            "/encrypt_file",
            413,
            "too-large",
            vec![
                ("17 parts", form(&[(other.as_str(), &b"x"[..]); 17])),
                ("too long a header", form(&[(&long_header, b"x")])),
                ("too long a name", form(&[(&long_name, b"x")])),
            ],
        ),
        (
            "/encrypt_file",
            400,
            "invalid-filename",
            vec![
                ("LF in the name", form(&[(&line_feed, b"x")])),
                ("CR in the name", form(&[(&carriage_return, b"x")])),
            ],
        ),
        (
            "/decrypt_file",
            400,
            "file-count",
            vec![("no file to decrypt", form(&[key]))],
        ),
        (
            "/decrypt_file",
            400,
            "invalid-request",
            vec![
                ("no key", form(&[file])),
                ("two keys", form(&[file, key, key])),
                ("empty key", form(&[file, (KEY, b"")])),
                ("short key", form(&[file, (KEY, b"AAAA")])),
                ("key not text", form(&[file, (KEY, b"\xFF")])),
            ],
        ),
        (
            "/decrypt_file",
            413,
            "too-large",
            vec![("endless key", form(&[file, (KEY, &[b'A'; 9_000])]))],
        ),
        (
            "/decrypt_file",
            422,
            "integrity-failure",
            vec![
                ("too short to open", form(&[file, key])),
                ("wrong key", form(&[(FILE, &[7; 99]), key])),
                ("nothing to open", form(&[(FILE, b""), key])),
            ],
        ),
    ];
    for (path, status, code, cases) in cases {
        for (case, body) in cases {
            let answer = call(true, post_form(path, body)).await;
            answer.is_problem(case, status, code);
        }
    }
}

#[tokio::test]
async fn every_truncation_of_a_form_is_refused() {
    let whole = form(&[(FILE, b"content"), (KEY, "A".repeat(43).as_bytes())]);
    let end = whole.len() - "--\r\n".len();
    for len in 0..end {
        let answer = call(true, post_form("/decrypt_file", whole[..len].to_vec())).await;
        answer.is_problem(&format!("cut to {len}"), 400, "malformed-multipart");
    }
}

#[tokio::test]
async fn bodies_over_the_limit() {
    let form_of = |len: usize| {
        let overhead = form(&[(FILE, b"")]).len();
        form(&[(FILE, &vec![0; len - overhead])])
    };
    let limit = MAX_BODY_BYTES as usize;
    let exact = call(true, post_form("/encrypt_file", form_of(limit))).await;
    assert_eq!(exact.status, 200);

    // With a length that says so at once, and without.
    let declared = call(true, post_form("/encrypt_file", form_of(limit + 1))).await;
    let chunks: Vec<_> = form_of(limit + 1)
        .chunks(1000)
        .map(Bytes::copy_from_slice)
        .collect();
    let chunks = stream::iter(chunks.into_iter().map(Ok::<_, std::io::Error>));
    let streamed = call(true, post_form("/encrypt_file", Body::from_stream(chunks))).await;
    for answer in [declared, streamed] {
        answer.is_problem("over the limit", 413, "too-large");
        let detail = answer.json()["detail"].to_string();
        assert!(
            detail.contains("100000") && detail.contains("/api/uploads"),
            "{detail}"
        );
    }
}

/// The parser looks through all that it holds whenever more arrives: what it looks for must come
/// soon.
#[tokio::test]
async fn a_form_that_never_begins() {
    let in_small_chunks = |body: Vec<u8>| {
        let chunks: Vec<_> = body.chunks(100).map(Bytes::copy_from_slice).collect();
        Body::from_stream(stream::iter(
            chunks.into_iter().map(Ok::<_, std::io::Error>),
        ))
    };
    let no_boundary = b"a".repeat(90_000);
    let endless_header = [format!("--{BOUNDARY}\r\nX: ").as_bytes(), &no_boundary].concat();
    for body in [no_boundary, endless_header] {
        let answer = call(true, post_form("/encrypt_file", in_small_chunks(body))).await;
        answer.is_problem("never begins", 413, "too-large");
    }

    let content = vec![7; 90_000];
    let field = r#"Content-Disposition: form-data; name="other""#;
    let parts = [(field, &b"x"[..]), (FILE, &content), (field, b"x")];
    let answer = call(
        true,
        post_form("/encrypt_file", in_small_chunks(form(&parts))),
    )
    .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn types_paths_and_methods() {
    let request = |method: Method, path: &str, headers: &[(&'static str, &str)]| {
        let builder = Request::builder().method(method).uri(path);
        let builder = headers
            .iter()
            .fold(builder, |b, (name, value)| b.header(*name, *value));
        builder.body(Body::from(form(&[(FILE, b"x")]))).unwrap()
    };
    let good = format!("multipart/form-data; boundary={BOUNDARY}");
    let good = ("content-type", good.as_str());
    type Headers<'a> = &'a [(&'static str, &'a str)];
    type Cases<'a> = &'a [(Method, &'static str, Headers<'a>)];
    let cases: &[(u16, &str, Cases<'_>)] = &[
        (
            415,
            "unsupported-media-type",
            &[
                (Method::POST, "/encrypt_file", &[]),
                (
                    Method::POST,
                    "/encrypt_file",
                    &[("content-type", "text/plain")],
                ),
                (Method::POST, "/encrypt_file", &[("content-type", "\u{ff}")]),
                (
                    Method::POST,
                    "/encrypt_file",
                    &[("content-type", "application/json")],
                ),
                (
                    Method::POST,
                    "/encrypt_file",
                    &[("content-type", "multipart/mixed; boundary=x")],
                ),
                (
                    Method::POST,
                    "/encrypt_file",
                    &[good, ("content-encoding", "gzip")],
                ),
            ],
        ),
        (
            400,
            "malformed-multipart",
            &[
                (
                    Method::POST,
                    "/encrypt_file",
                    &[("content-type", "multipart/form-data")],
                ),
                (
                    Method::POST,
                    "/encrypt_file",
                    &[("content-type", "multipart/form-data; boundary=other")],
                ),
                (
                    Method::POST,
                    "/encrypt_file",
                    &[("content-type", "multipart/form-data; boundary=")],
                ),
                (
                    Method::POST,
                    "/encrypt_file",
                    &[("content-type", "multipart/form-data; boundary=\"x")],
                ),
                (
                    Method::POST,
                    "/encrypt_file",
                    &[(
                        "content-type",
                        "multipart/form-data; boundary=a; boundary=b",
                    )],
                ),
            ],
        ),
        (
            400,
            "invalid-request",
            &[
                (
                    Method::POST,
                    "/decrypt_file",
                    &[good, ("encryption-key", "A"), ("encryption-key", "A")],
                ),
                (
                    Method::POST,
                    "/decrypt_file",
                    &[good, ("encryption-key", "\u{ff}")],
                ),
            ],
        ),
        (
            405,
            "method-not-allowed",
            &[
                (Method::GET, "/encrypt_file", &[]),
                (Method::DELETE, "/", &[]),
            ],
        ),
        (
            404,
            "not-found",
            &[
                (Method::POST, "/encrypt_file/", &[good]),
                (Method::GET, "/%00/../secret", &[]),
                (Method::POST, "/Prod/encrypt_file", &[good]),
            ],
        ),
    ];
    for (status, code, cases) in cases {
        for (method, path, headers) in *cases {
            let case = format!("{method} {path} {headers:?}");
            let answer = call(true, request(method.clone(), path, headers)).await;
            answer.is_problem(&case, *status, code);
            assert_eq!(
                answer.headers.contains_key("allow"),
                *status == 405,
                "{case}"
            );
        }
    }
}

#[tokio::test]
async fn without_a_key() {
    for path in ["/encrypt_file", "/decrypt_file"] {
        let answer = call(false, post_form(path, form(&[(FILE, b"x")]))).await;
        answer.is_problem(path, 401, "unauthorized");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}
