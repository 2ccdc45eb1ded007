//! The header that names a part of a form.

#![no_main]

use axum::body::Body;
use caas_fuzz::block_on;
use caas_http::read_file_form;
use http::{Request, header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let body = [
        b"--b\r\nContent-Disposition: ".as_slice(),
        data,
        b"\r\n\r\ncontent\r\n--b--\r\n",
    ];
    let request = Request::post("/")
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=b")
        .body(Body::from(body.concat()))
        .expect("a request");
    if let Ok(form) = block_on(read_file_form(request, 1 << 20, [])) {
        let name = form.file.name.as_str();
        assert!(!name.is_empty() && name.len() <= 255 && !name.contains(['/', '\\', '\0', '\n']));
        assert!(form.file.name.content_disposition().to_str().is_ok());
    }
});
