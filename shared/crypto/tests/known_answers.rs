//! Known answers, computed by `known_answers.py` without this crate.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use caas_crypto::{
    Configuration, DataKey, UserKey, UserKeyId,
    stored::{EncryptionContext, Header},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct KnownAnswers {
    stored: Vec<StoredObject>,
    data: Vec<String>,
    digests: Vec<Digests>,
    selections: Vec<Selection>,
    reversible: Vec<Reversible>,
}

#[derive(Deserialize)]
struct StoredObject {
    object_key: String,
    data_key: String,
    plaintext: String,
    metadata: BTreeMap<String, String>,
    body: String,
}

#[derive(Deserialize)]
struct Identity {
    user_key: String,
    client: String,
    user: String,
    version: u32,
}

impl Identity {
    fn key(&self) -> UserKey {
        UserKey::try_from(bytes(&self.user_key).as_slice()).unwrap()
    }

    fn id(&self) -> UserKeyId {
        UserKeyId {
            client: self.client.parse().unwrap(),
            user: self.user.parse().unwrap(),
            version: self.version,
        }
    }
}

#[derive(Deserialize)]
struct Digests {
    #[serde(flatten)]
    identity: Identity,
    cipher: String,
    salt_length: u8,
    created_at: u64,
    mac: String,
    /// One for each of the `data`.
    digests: Vec<String>,
}

#[derive(Deserialize)]
struct Selection {
    #[serde(flatten)]
    identity: Identity,
    ciphers: String,
    salt_lengths: String,
    cipher: String,
    salt_length: u8,
    mac: String,
}

#[derive(Deserialize)]
struct Reversible {
    #[serde(flatten)]
    identity: Identity,
    data: String,
    value: String,
}

fn known_answers() -> KnownAnswers {
    serde_json::from_str(include_str!("known_answers.json")).unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

#[test]
fn stored_objects_open_and_their_headers_are_written_alike() {
    let KnownAnswers { stored, .. } = known_answers();
    assert_eq!(stored.len(), 6);
    for object in stored {
        let context = EncryptionContext::for_object(&object.object_key);
        let pairs = object
            .metadata
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let header = Header::parse(pairs, &context).unwrap();
        let written = header
            .to_metadata()
            .map(|(name, value)| (name.to_owned(), value));
        assert_eq!(BTreeMap::from(written), object.metadata);

        let data_key = DataKey::try_from(bytes(&object.data_key).as_slice()).unwrap();
        let key = header.unlock(&data_key).unwrap();
        let opened = key.open(bytes(&object.body)).unwrap();
        assert_eq!(
            hex::encode(opened),
            object.plaintext,
            "{}",
            object.object_key
        );
    }
}

#[test]
fn digests_of_every_cipher_and_salt_length() {
    let KnownAnswers { data, digests, .. } = known_answers();
    assert_eq!((data.len(), digests.len()), (5, 40));
    assert!(
        digests
            .iter()
            .all(|answer| answer.digests.len() == data.len())
    );
    for answer in digests {
        let configuration = Configuration {
            cipher: answer.cipher.parse().unwrap(),
            salt_length: answer.salt_length.try_into().unwrap(),
            created_at: answer.created_at,
        };
        let (key, id) = (answer.identity.key(), answer.identity.id());
        let version = key
            .unlock(id, &configuration, &answer.mac.parse().unwrap())
            .unwrap();
        for (data, digest) in data.iter().zip(answer.digests) {
            assert_eq!(
                version.digest(data.as_bytes()),
                digest,
                "{}: {data:?}",
                answer.cipher
            );
            assert!(version.verify(data.as_bytes(), &digest));
        }
    }
}

#[test]
fn selections_from_pools() {
    let KnownAnswers { selections, .. } = known_answers();
    assert_eq!(selections.len(), 38);
    for answer in selections {
        let (configuration, mac) = answer.identity.key().configure(
            &answer.identity.id(),
            &answer.ciphers.parse().unwrap(),
            &answer.salt_lengths.parse().unwrap(),
            0,
        );
        assert_eq!(configuration.cipher.name(), answer.cipher);
        assert_eq!(configuration.salt_length.chars(), answer.salt_length);
        assert_eq!(mac.to_string(), answer.mac);
    }
}

#[test]
fn reversible_values_open() {
    let KnownAnswers { reversible, .. } = known_answers();
    assert_eq!(reversible.len(), 3);
    for answer in reversible {
        let (key, id) = (answer.identity.key(), answer.identity.id());
        let (ciphers, salts) = (Default::default(), Default::default());
        let (configuration, mac) = key.configure(&id, &ciphers, &salts, 0);
        let version = key.unlock(id, &configuration, &mac).unwrap();
        let opened = version.open(answer.value.parse().unwrap()).unwrap();
        assert_eq!(opened, answer.data.as_bytes());
    }
}
