//! A whole form: the content type, a line feed, and the body, in chunks of a length that the first
//! byte chooses.

#![no_main]

use axum::body::{Body, Bytes};
use caas_fuzz::block_on;
use caas_http::read_file_form;
use futures::stream;
use http::{HeaderValue, Request, header};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 10_000;

fuzz_target!(|data: &[u8]| {
    let Some((&chunk_len, rest)) = data.split_first() else {
        return;
    };
    let end = rest
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(rest.len());
    let (content_type, body) = rest.split_at(end);
    let Ok(content_type) = HeaderValue::from_bytes(content_type) else {
        return;
    };
    let chunks = body[body.len().min(1)..].chunks(usize::from(chunk_len).max(1));
    let chunks: Vec<_> = chunks
        .map(|chunk| Ok::<_, std::io::Error>(Bytes::copy_from_slice(chunk)))
        .collect();
    let request = Request::post("/")
        .header(header::CONTENT_TYPE, content_type)
        .body(Body::from_stream(stream::iter(chunks)))
        .expect("a request");
    if let Ok(form) = block_on(read_file_form(request, LIMIT as u64, ["key"])) {
        assert!(form.file.content.len() <= LIMIT);
        let name = form.file.name.content_disposition();
        assert!(name.to_str().is_ok());
    }
});
