//! The published vectors.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::{Engine, prelude::BASE64_STANDARD};
use caas_crypto::{
    DataKey,
    stored::{EncryptionContext, Header},
};
use caas_wasm::{Opener, Sealer};
use serde_json::Value;
use wasm_bindgen::JsError;

fn vectors(name: &str) -> Vec<Value> {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../docs/formats/vectors.json")).unwrap();
    let vectors = vectors[name].as_array().unwrap().clone();
    assert!(!vectors.is_empty());
    vectors
}

fn bytes(vector: &Value, name: &str) -> Vec<u8> {
    hex::decode(vector[name].as_str().unwrap()).unwrap()
}

/// Outside a browser a `JsError` cannot be shown.
fn ok<T>(result: Result<T, JsError>) -> T {
    result.map_err(|_| "failed").unwrap()
}

/// Opens in chunks of every kind; what was changed or cut does not open.
fn check_open(opener: impl Fn() -> Opener, body: &[u8], plaintext: &[u8]) {
    for chunk_len in [1, 15, 16, 17, 4096] {
        let mut opener = opener();
        let mut opened = Vec::new();
        for chunk in body.chunks(chunk_len) {
            let mut chunk = chunk.to_vec();
            let len = ok(opener.update(&mut chunk));
            opened.extend_from_slice(&chunk[..len]);
        }
        assert!(opener.finish(), "chunks of {chunk_len}");
        assert_eq!(opened, plaintext, "chunks of {chunk_len}");
    }
    let mut changed = body.to_vec();
    changed[0] ^= 1;
    for mut wrong in [changed, body[1..].to_vec(), body[..body.len() - 1].to_vec()] {
        let mut opener = opener();
        ok(opener.update(&mut wrong));
        assert!(!opener.finish());
    }
}

fn check_seal(mut sealer: Sealer, body: &[u8], plaintext: &[u8]) {
    let mut sealed = plaintext.to_vec();
    for chunk in sealed.chunks_mut(17) {
        ok(sealer.update(chunk));
    }
    sealed.extend(sealer.finish());
    assert_eq!(sealed, body);
}

#[test]
fn session_files_open() {
    for vector in vectors("session_files") {
        let file = bytes(&vector, "file");
        let (nonce, body) = file.split_at(12);
        let key = vector["key"].as_str().unwrap();
        let opener = || ok(Opener::session(key, nonce));
        check_open(opener, body, &bytes(&vector, "plaintext"));
    }
}

#[test]
fn stored_objects_open_and_are_sealed_to_the_same_bytes() {
    for vector in vectors("stored") {
        let context = EncryptionContext::for_object(vector["object_key"].as_str().unwrap());
        let metadata = vector["metadata"].as_object().unwrap();
        let pairs = metadata.iter();
        let pairs = pairs.map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
        let header = Header::parse(pairs, &context).unwrap();
        let data_key = DataKey::try_from(bytes(&vector, "data_key").as_slice()).unwrap();
        let grant = header.unlock(&data_key).unwrap().into_grant();
        let key = BASE64_STANDARD.encode(grant.key().expose());
        let (iv, aad) = (grant.iv(), grant.aad());
        let (iv, aad) = (BASE64_STANDARD.encode(iv), BASE64_STANDARD.encode(aad));
        let (body, plaintext) = (bytes(&vector, "body"), bytes(&vector, "plaintext"));
        check_open(
            || ok(Opener::stored(&key, &iv, &aad, 16)),
            &body,
            &plaintext,
        );
        check_seal(ok(Sealer::stored(&key, &iv, &aad, 16)), &body, &plaintext);
    }
}

#[test]
fn a_new_session_file_opens_with_its_key() {
    let mut sealer = ok(Sealer::session());
    let (key, nonce) = (sealer.key().unwrap(), sealer.nonce().unwrap());
    let mut body = b"attack at dawn".to_vec();
    ok(sealer.update(&mut body));
    body.extend(sealer.finish());
    let opener = || ok(Opener::session(&key, &nonce));
    check_open(opener, &body, b"attack at dawn");
    assert_ne!(ok(Sealer::session()).key().unwrap(), key);
}
