//! The hot paths whose instructions `tools/bench/guard.py` counts: `guard PATH COUNT` goes through one of them COUNT
//! times, on one thread and without sockets, after everything that happens only once.

#![expect(clippy::unwrap_used, reason = "it fails by panicking")]

use std::{env, io, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{Method, Request},
};
use caas_bench::{EmulatorProcess, Error};
use caas_crypto::{
    session,
    stored::{AAD, Grant, IV},
};
use caas_emulator::BucketConfig;
use caas_settings::{Settings, init_log};
use caas_testing::{
    API_KEY, USER_KEY, USER_KEYS, bytes, form, post_form, post_json, request, send, settings, with,
};
use serde_json::{Value, json};

const FILE: usize = 64 << 10;
const STREAM: usize = 1 << 20;
const DATUM: usize = 100;
const BATCH: usize = 100;
const USER: &str = "123e4567-e89b-12d3-a456-426614174000";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let buckets = vec![BucketConfig::versioned(USER_KEYS)];
    if EmulatorProcess::serve_if_asked(buckets, USER_KEY).await? {
        return Ok(());
    }
    let mut arguments = env::args().skip(1);
    let (path, count) = (arguments.next(), arguments.next());
    let count = count.ok_or("PATH COUNT")?.parse()?;
    init_log(None, io::sink);
    match path.as_deref().unwrap_or_default() {
        "health" => {
            let health = || request(Method::GET, API_KEY, "/health");
            repeat(&files().await, count, health).await;
        }
        "encrypt a file of 64 KiB" => {
            let form = file_form(&bytes(FILE));
            repeat(&files().await, count, || {
                post_form("/encrypt_file", form.clone())
            })
            .await;
        }
        "decrypt a file of 64 KiB" => {
            let (key, sealed) = session::seal(bytes(FILE))?;
            let (key, form) = (key.to_base64url(), file_form(&sealed));
            let decrypt = || {
                let request = post_form("/decrypt_file", form.clone());
                with(request, "encryption-key", &key)
            };
            repeat(&files().await, count, decrypt).await;
        }
        "encrypt a datum of 100 bytes" => values(count, "/encrypt", digest(json!(datum()))).await?,
        "encrypt a batch of 100" => {
            values(count, "/encrypt", digest(json!(vec![datum(); BATCH]))).await?;
        }
        "decrypt a value of 100 bytes" => {
            let mut body = digest(json!(datum()));
            body["cipher"] = "aes-256-gcm".into();
            values(count, "/decrypt", body).await?;
        }
        "seal a stream of 1 MiB" => {
            let mut buffer = bytes(STREAM);
            for _ in 0..count {
                let grant = Grant::received([1; 32].into(), &IV, &AAD)?;
                let mut sealer = grant.into_sealer();
                for chunk in buffer.chunks_mut(FILE) {
                    sealer.update(chunk)?;
                }
                sealer.finish();
            }
        }
        "seal 100 bytes under a new key" => {
            for _ in 0..count {
                session::seal(bytes(DATUM))?;
            }
        }
        _ => return Err("no such path".into()),
    }
    Ok(())
}

/// After one request that does what is done only once.
async fn repeat(router: &Router, count: u32, request: impl Fn() -> Request<Body>) {
    for _ in 0..=count {
        assert_eq!(send(router, request()).await.status, 200);
    }
}

async fn files() -> Router {
    let settings = settings([("PUBLIC_ENCRYPT_FILE", "true")]);
    let config = encrypt_file::Config::read(&settings).unwrap();
    let aws = caas_aws::ClientsConfig::default();
    encrypt_file::router(Arc::new(encrypt_file::Service::connect(config, aws).await))
}

fn file_form(content: &[u8]) -> Vec<u8> {
    let header = "content-disposition: form-data; name=\"file\"; filename=\"notes.txt\"";
    form(&[(header, content)])
}

fn datum() -> String {
    "x".repeat(DATUM)
}

fn digest(data: Value) -> Value {
    json!({"apiKey": API_KEY, "userUUID": USER, "sensitiveData": data})
}

/// Repeats a request for one user, whose key is in memory. `/decrypt` gets what `/encrypt` returns for the body.
async fn values(count: u32, path: &str, mut body: Value) -> Result<(), Error> {
    let emulator = EmulatorProcess::start()?;
    let own = [
        // One of them, since each costs something else.
        ("CIPHER_POOL", "sha256"),
        ("SALT_POOL", "32"),
        ("USER_KEY_CACHE_SECONDS", "3600"),
    ];
    let settings: Settings = settings(own);
    let clients = emulator.connections().connect().await;
    let config = encrypt_data::Config::read(&settings)?;
    let router = encrypt_data::router(Arc::new(encrypt_data::Service::new(config, &clients)));
    let encrypted = send(&router, post_json("/encrypt", body.to_string())).await;
    if path == "/decrypt" {
        let value = encrypted.ok()["encrypted_data"].take();
        body = json!({"apiKey": API_KEY, "userUUID": USER, "encryptedData": value});
    }
    repeat(&router, count, || post_json(path, body.to_string())).await;
    Ok(emulator.stop()?)
}
