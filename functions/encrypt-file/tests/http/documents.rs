//! The problem documents, word for word.

use axum::body::Body;
use caas_testing::{API_KEY, form, post_form, problem_documents};
use http::Request;

use crate::support::{FILE, KEY, MAX_BODY_BYTES, router};

#[tokio::test]
async fn problem_documents_are_pinned() {
    let file = (FILE, &b"content"[..]);
    let named = r#"Content-Disposition: form-data; name="file"; filename="a%0Ab""#;
    let large = vec![0; MAX_BODY_BYTES as usize];
    let requests = [
        ("no file", "/encrypt_file", form(&[])),
        ("two files", "/encrypt_file", form(&[file, file])),
        (
            "a broken form",
            "/encrypt_file",
            form(&[file])[..40].to_vec(),
        ),
        ("a bad name", "/encrypt_file", form(&[(named, b"x")])),
        ("too large", "/encrypt_file", form(&[(FILE, &large)])),
        ("no key", "/decrypt_file", form(&[file])),
        (
            "two keys",
            "/decrypt_file",
            form(&[file, (KEY, b"A"), (KEY, b"A")]),
        ),
        ("a bad key", "/decrypt_file", form(&[file, (KEY, b"A")])),
        (
            "a wrong key",
            "/decrypt_file",
            form(&[file, (KEY, &[b'A'; 43])]),
        ),
        ("an unknown path", "/nothing", form(&[])),
    ];
    let requests = requests.map(|(case, path, form)| (case, post_form(path, form)));
    let bare = [
        (
            "no form",
            Request::post("/encrypt_file").header("x-api-key", API_KEY),
        ),
        ("no API key", Request::post("/encrypt_file")),
        ("a wrong method", Request::get("/encrypt_file")),
    ];
    let bare = bare.map(|(case, request)| (case, request.body(Body::empty()).unwrap()));
    let mut documents = problem_documents(&router(true), requests).await;
    documents += &problem_documents(&router(false), bare).await;
    insta::assert_snapshot!(documents);
}
