//! The published vectors, computed by `docs/formats/vectors.py` without this crate. (Selections and
//! records are compared in their modules, API keys in caas-http.)

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use caas_crypto::{
    DataKey, KeyId, RecordedVersion, UserId, UserKey, UserKeyVersion, session,
    stored::{EncryptionContext, Header},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    stored: Vec<StoredObject>,
    data: Vec<String>,
    digests: Vec<Digests>,
    values: Vec<Value>,
    session_files: Vec<SessionFile>,
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
    secret: String,
    key_id: String,
    client: String,
    user: String,
    version: u32,
}

impl Identity {
    fn version(&self, cipher: &str, salt_length: u8) -> UserKeyVersion {
        let user = UserId {
            client: self.client.parse().unwrap(),
            user: self.user.parse().unwrap(),
        };
        let recorded = RecordedVersion {
            number: self.version,
            id: KeyId::from(<[u8; 8]>::try_from(bytes(&self.key_id)).unwrap()),
            secret: UserKey::try_from(bytes(&self.secret).as_slice()).unwrap(),
            cipher: cipher.parse().unwrap(),
            salt_length: salt_length.try_into().unwrap(),
            created_at: 0,
        };
        UserKeyVersion::new(user, recorded)
    }
}

#[derive(Deserialize)]
struct Digests {
    #[serde(flatten)]
    identity: Identity,
    cipher: String,
    salt_length: u8,
    /// One for each of the `data`.
    digests: Vec<String>,
}

#[derive(Deserialize)]
struct Value {
    #[serde(flatten)]
    identity: Identity,
    data: String,
    context: String,
    value: String,
}

#[derive(Deserialize)]
struct SessionFile {
    key: String,
    plaintext: String,
    file: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../docs/formats/vectors.json")).unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

#[test]
fn stored_objects_open_and_their_headers_are_written_alike() {
    let Vectors { stored, .. } = vectors();
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
    let Vectors { data, digests, .. } = vectors();
    assert_eq!((data.len(), digests.len()), (6, 40));
    for answer in digests {
        let version = answer.identity.version(&answer.cipher, answer.salt_length);
        assert_eq!(answer.digests.len(), data.len());
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
fn reversible_values_open() {
    let Vectors { values, .. } = vectors();
    assert_eq!(values.len(), 4);
    for answer in values {
        let version = answer.identity.version("sha256", 8);
        let opened = version.open(&answer.value.parse().unwrap(), answer.context.as_bytes());
        assert_eq!(*opened.unwrap(), answer.data.as_bytes());
    }
}

#[test]
fn session_files_open() {
    let Vectors { session_files, .. } = vectors();
    assert_eq!(session_files.len(), 4);
    for answer in session_files {
        let opened = session::open(&answer.key.parse().unwrap(), bytes(&answer.file));
        assert_eq!(hex::encode(opened.unwrap()), answer.plaintext);
    }
}
