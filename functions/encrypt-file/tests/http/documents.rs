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
    let (encrypt, decrypt) = ("/encrypt_file", "/decrypt_file");
    let (key, wrong_key) = ((KEY, &b"A"[..]), (KEY, &[b'A'; 43][..]));
    let requests = [
        ("no file", encrypt, form(&[])),
        ("two files", encrypt, form(&[file, file])),
        ("a broken form", encrypt, form(&[file])[..40].to_vec()),
        ("a bad name", encrypt, form(&[(named, b"x")])),
        ("too large", encrypt, form(&[(FILE, &large)])),
        ("no key", decrypt, form(&[file])),
        ("two keys", decrypt, form(&[file, key, key])),
        ("a bad key", decrypt, form(&[file, key])),
        ("a wrong key", decrypt, form(&[file, wrong_key])),
        ("an unknown path", "/nothing", form(&[])),
    ];
    let requests = requests.map(|(case, path, form)| (case, post_form(path, form)));
    let no_form = Request::post(encrypt).header("x-api-key", API_KEY);
    let bare = [
        ("no form", no_form),
        ("no API key", Request::post(encrypt)),
        ("a wrong method", Request::get(encrypt)),
    ];
    let bare = bare.map(|(case, request)| (case, request.body(Body::empty()).unwrap()));
    let mut documents = problem_documents(&router(true).await, requests).await;
    documents += &problem_documents(&router(false).await, bare).await;
    insta::assert_snapshot!(documents);
}
