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
        ("no part", "/encrypt_file", form(&[]), 400, "file-count"),
        (
            "empty body",
            "/encrypt_file",
            vec![],
            400,
            "malformed-multipart",
        ),
        (
            "only text",
            "/encrypt_file",
            b"just text".to_vec(),
            400,
            "malformed-multipart",
        ),
        (
            "cut in the headers",
            "/encrypt_file",
            whole[..40].to_vec(),
            400,
            "malformed-multipart",
        ),
        (
            "cut before the last boundary",
            "/encrypt_file",
            whole[..whole.len() - BOUNDARY.len() - 6].to_vec(),
            400,
            "malformed-multipart",
        ),
        (
            "two files",
            "/encrypt_file",
            form(&[file, file]),
            400,
            "file-count",
        ),
        (
            "file elsewhere",
            "/encrypt_file",
            form(&[(&elsewhere, b"x")]),
            400,
            "file-count",
        ),
        (
            "file here and elsewhere",
            "/encrypt_file",
            form(&[file, (&elsewhere, b"x")]),
            400,
            "file-count",
        ),
        (
            "17 parts",
            "/encrypt_file",
            form(&[(other.as_str(), &b"x"[..]); 17]),
            413,
            "too-large",
        ),
        (
            "nameless",
            "/encrypt_file",
            form(&[("X: y", b"x")]),
            400,
            "malformed-multipart",
        ),
        (
            "nameless disposition",
            "/encrypt_file",
            form(&[("Content-Disposition: form-data", b"x")]),
            400,
            "malformed-multipart",
        ),
        (
            "broken header",
            "/encrypt_file",
            form(&[("no colon here", b"x")]),
            400,
            "malformed-multipart",
        ),
        (
            "NUL in a header",
            "/encrypt_file",
            form(&[(
                "Content-Disposition: form-data; name=\"file\"; filename=\"a\0b\"",
                b"x",
            )]),
            400,
            "malformed-multipart",
        ),
        (
            "LF in the name",
            "/encrypt_file",
            form(&[(&line_feed, b"x")]),
            400,
            "invalid-filename",
        ),
        (
            "CR in the name",
            "/encrypt_file",
            form(&[(&carriage_return, b"x")]),
            400,
            "invalid-filename",
        ),
        (
            "too many headers",
            "/encrypt_file",
            form(&[(&many_headers, b"x")]),
            400,
            "malformed-multipart",
        ),
        (
            "too long a header",
            "/encrypt_file",
            form(&[(&long_header, b"x")]),
            413,
            "too-large",
        ),
        (
            "too long a name",
            "/encrypt_file",
            form(&[(&long_name, b"x")]),
            413,
            "too-large",
        ),
        (
            "no file to decrypt",
            "/decrypt_file",
            form(&[key]),
            400,
            "file-count",
        ),
        (
            "no key",
            "/decrypt_file",
            form(&[file]),
            400,
            "invalid-request",
        ),
        (
            "two keys",
            "/decrypt_file",
            form(&[file, key, key]),
            400,
            "invalid-request",
        ),
        (
            "empty key",
            "/decrypt_file",
            form(&[file, (KEY, b"")]),
            400,
            "invalid-request",
        ),
        (
            "short key",
            "/decrypt_file",
            form(&[file, (KEY, b"AAAA")]),
            400,
            "invalid-request",
        ),
        (
            "key not text",
            "/decrypt_file",
            form(&[file, (KEY, b"\xFF")]),
            400,
            "invalid-request",
        ),
        (
            "endless key",
            "/decrypt_file",
            form(&[file, (KEY, &[b'A'; 9_000])]),
            413,
            "too-large",
        ),
        (
            "too short to open",
            "/decrypt_file",
            form(&[file, key]),
            422,
            "integrity-failure",
        ),
        (
            "wrong key",
            "/decrypt_file",
            form(&[(FILE, &[7; 99]), key]),
            422,
            "integrity-failure",
        ),
        (
            "nothing to open",
            "/decrypt_file",
            form(&[(FILE, b""), key]),
            422,
            "integrity-failure",
        ),
    ];
    for (case, path, body, status, code) in cases {
        let answer = call(true, post_form(path, body)).await;
        answer.is_problem(case, status, code);
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
    let cases: &[(Method, &str, Headers<'_>, u16, &str)] = &[
        (
            Method::POST,
            "/encrypt_file",
            &[],
            415,
            "unsupported-media-type",
        ),
        (
            Method::POST,
            "/encrypt_file",
            &[("content-type", "text/plain")],
            415,
            "unsupported-media-type",
        ),
        (
            Method::POST,
            "/encrypt_file",
            &[("content-type", "\u{ff}")],
            415,
            "unsupported-media-type",
        ),
        (
            Method::POST,
            "/encrypt_file",
            &[("content-type", "application/json")],
            415,
            "unsupported-media-type",
        ),
        (
            Method::POST,
            "/encrypt_file",
            &[("content-type", "multipart/mixed; boundary=x")],
            415,
            "unsupported-media-type",
        ),
        (
            Method::POST,
            "/encrypt_file",
            &[("content-type", "multipart/form-data")],
            400,
            "malformed-multipart",
        ),
        (
            Method::POST,
            "/encrypt_file",
            &[("content-type", "multipart/form-data; boundary=other")],
            400,
            "malformed-multipart",
        ),
        (
            Method::POST,
            "/encrypt_file",
            &[good, ("content-encoding", "gzip")],
            415,
            "unsupported-media-type",
        ),
        (
            Method::POST,
            "/decrypt_file",
            &[good, ("encryption-key", "A"), ("encryption-key", "A")],
            400,
            "invalid-request",
        ),
        (
            Method::POST,
            "/decrypt_file",
            &[good, ("encryption-key", "\u{ff}")],
            400,
            "invalid-request",
        ),
        (Method::GET, "/encrypt_file", &[], 405, "method-not-allowed"),
        (Method::DELETE, "/", &[], 405, "method-not-allowed"),
        (Method::POST, "/encrypt_file/", &[good], 404, "not-found"),
        (Method::GET, "/%00/../secret", &[], 404, "not-found"),
        (
            Method::POST,
            "/Prod/encrypt_file",
            &[good],
            404,
            "not-found",
        ),
    ];
    for (method, path, headers, status, code) in cases {
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

#[tokio::test]
async fn without_a_key() {
    for path in ["/encrypt_file", "/decrypt_file"] {
        let answer = call(false, post_form(path, form(&[(FILE, b"x")]))).await;
        answer.is_problem(path, 401, "unauthorized");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}
