//! The published vectors, with AES-CTR as WebCrypto has it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use aes::{
    Aes256,
    cipher::{KeyIvInit, StreamCipher},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use caas_crypto::{
    DataKey,
    stored::{self, EncryptionContext, Header},
};
use caas_wasm::Message;
use ctr::Ctr32BE;
use serde_json::Value;

fn vectors(name: &str) -> Vec<Value> {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../docs/formats/vectors.json")).unwrap();
    vectors[name].as_array().unwrap().clone()
}

fn bytes(vector: &Value, name: &str) -> Vec<u8> {
    hex::decode(vector[name].as_str().unwrap()).unwrap()
}

/// Counter blocks from the nonce and 2 on: the text's first.
fn ctr(message: &Message, text: &mut [u8]) {
    let mut counter = [0; 16];
    counter[..12].copy_from_slice(&message.nonce());
    counter[15] = 2;
    Ctr32BE::<Aes256>::new_from_slices(&message.key(), &counter)
        .unwrap()
        .apply_keystream(text);
}

/// Opens the body in chunks, and seals it again with a second, equal message.
fn check(message: impl Fn() -> Message, body: &[u8], plaintext: &[u8]) {
    let (ciphertext, tag) = body.split_at(body.len() - stored::TAG_LEN);
    for chunk_len in [1, 16, 17, 4096] {
        let mut opened = message();
        for chunk in ciphertext.chunks(chunk_len) {
            opened.update(chunk).map_err(|_| ()).unwrap();
        }
        let mut text = ciphertext.to_vec();
        ctr(&opened, &mut text);
        assert_eq!(text, plaintext);
        assert!(opened.verify(tag));
    }

    let mut sealed = message();
    let mut text = plaintext.to_vec();
    ctr(&sealed, &mut text);
    assert_eq!(text, ciphertext);
    sealed.update(&text).map_err(|_| ()).unwrap();
    assert_eq!(sealed.finish(), tag);

    let mut changed = tag.to_vec();
    changed[0] ^= 1;
    for tag in [&changed, &tag[..15], &[]] {
        let mut opened = message();
        opened.update(ciphertext).map_err(|_| ()).unwrap();
        assert!(!opened.verify(tag));
    }
}

#[test]
fn session_files() {
    let vectors = vectors("session_files");
    assert!(!vectors.is_empty());
    for vector in vectors {
        let file = bytes(&vector, "file");
        let (nonce, body) = file.split_at(12);
        let key = vector["key"].as_str().unwrap();
        let message = || Message::open_session(key, nonce).map_err(|_| ()).unwrap();
        assert_eq!(message().key_text(), key);
        check(message, body, &bytes(&vector, "plaintext"));
    }
}

#[test]
fn stored_objects() {
    let vectors = vectors("stored");
    assert!(!vectors.is_empty());
    for vector in vectors {
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
        let message = || {
            Message::stored(&key, &iv, &aad, 16)
                .map_err(|_| ())
                .unwrap()
        };
        check(
            message,
            &bytes(&vector, "body"),
            &bytes(&vector, "plaintext"),
        );
    }
}

#[test]
fn new_session_files_have_keys_of_their_own() {
    let [one, other] = [(); 2].map(|()| Message::new_session().map_err(|_| ()).unwrap());
    assert_ne!(one.key(), other.key());
    assert_ne!(one.nonce(), other.nonce());
}
