//! Bare axum servers, the floors of `tools/bench/compare.py`: `constant` reads the body and responds with a constant,
//! `encrypt_file` does the work of `/encrypt_file` and nothing else.

#![expect(clippy::print_stdout, reason = "prints its port")]

use std::net::Ipv4Addr;

use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::post,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use caas_bench::Error;
use multer::Multipart;
use tikv_jemallocator::Jemalloc;
use tokio::net::TcpListener;

/// As in caas-local.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

const CONSTANT: &str =
    r#"{"encrypted_data":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}"#;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let json = [(header::CONTENT_TYPE, "application/json")];
    let constant = move |_: Bytes| async move { (json, CONSTANT) };
    let routes = Router::new()
        .route("/constant", post(constant))
        .route("/encrypt_file", post(encrypt_file));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!(
        "{}",
        serde_json::json!({"port": listener.local_addr()?.port()})
    );
    Ok(axum::serve(listener, routes).await?)
}

/// With `multer`, as axum's own extractor.
async fn encrypt_file(headers: HeaderMap, body: Body) -> Result<impl IntoResponse, StatusCode> {
    let bad = |_| StatusCode::BAD_REQUEST;
    let content_type = headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let boundary = multer::parse_boundary(content_type.unwrap_or_default()).map_err(bad)?;
    let mut form = Multipart::new(body.into_data_stream(), boundary);
    while let Some(field) = form.next_field().await.map_err(bad)? {
        if field.name() != Some("file") {
            continue;
        }
        let name = field.file_name().unwrap_or("file").to_owned();
        let content = field.bytes().await.map_err(bad)?;
        let (mut key, mut nonce) = ([0; 32], [0; 12]);
        let random = getrandom::fill(&mut key).and_then(|()| getrandom::fill(&mut nonce));
        random.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
        let mut sealed = Vec::with_capacity(12 + content.len() + 16);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&content);
        let cipher = Aes256Gcm::new(&key.into());
        let text = (&mut sealed[12..]).into();
        let tag = cipher.encrypt_inout_detached(&nonce.into(), b"", text);
        sealed.extend_from_slice(&tag.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?);
        let disposition = format!("attachment; filename=\"{name}.enc\"");
        return Ok((
            [
                ("encryption-key", BASE64_URL_SAFE_NO_PAD.encode(key)),
                ("content-disposition", disposition),
            ],
            sealed,
        ));
    }
    Err(StatusCode::BAD_REQUEST)
}
