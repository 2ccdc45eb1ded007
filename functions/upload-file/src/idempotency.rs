//! `Idempotency-Key`: an upload that may be repeated.

use caas_crypto::ClientName;
use caas_http::{Problem, single_header};
use http::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};
use uuid::Uuid;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

const MAX_LEN: usize = 255;

/// The key by which a repeated upload is recognised.
pub(crate) struct IdempotencyKey<'h>(&'h str);

impl<'h> IdempotencyKey<'h> {
    /// The key in the headers, if there is one: 1 to 255 visible ASCII characters.
    pub(crate) fn read(headers: &'h HeaderMap) -> Result<Option<Self>, Problem> {
        let Some(value) = single_header(headers, &IDEMPOTENCY_KEY)? else {
            return Ok(None);
        };
        let legal = |key: &&str| (1..=MAX_LEN).contains(&key.len());
        match value.to_str().ok().filter(legal) {
            Some(key) => Ok(Some(Self(key))),
            None => Err(Problem::invalid(
                "The Idempotency-Key must be 1 to 255 visible ASCII characters.",
            )),
        }
    }

    /// The first part of the path of the one file that is uploaded with this key: a version 8 UUID
    /// of the SHA-256 of client and key; never one that marks an upload in parts.
    pub(crate) fn folder(&self, client: &ClientName) -> Uuid {
        let hash = Sha256::new()
            .chain_update("caas:idempotency-key:")
            .chain_update(client.as_str())
            .chain_update("/") // no client's name has one
            .chain_update(self.0)
            .finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        // The mark of an upload in parts (`UploadKey`).
        if bytes[6] & 0x0F == 0x0C && bytes[7] == 0xAA {
            bytes[7] = 0xAB;
        }
        Uuid::new_v8(bytes)
    }
}

#[cfg(test)]
mod tests {
    use caas_aws::ObjectKey;
    use caas_vault::UploadKey;

    use super::*;

    fn headers(keys: &[&[u8]]) -> HeaderMap {
        let values = keys.iter().map(|key| key.to_vec().try_into().unwrap());
        values.map(|value| (IDEMPOTENCY_KEY, value)).collect()
    }

    #[test]
    fn one_client_and_key_have_one_folder() {
        let folder = |client: &str, key: &str| {
            let headers = headers(&[key.as_bytes()]);
            let key = IdempotencyKey::read(&headers).unwrap().unwrap();
            key.folder(&client.parse().unwrap()).to_string()
        };
        assert_eq!(folder("acme", "k1"), folder("acme", "k1"));
        assert_ne!(folder("acme", "k1"), folder("acme", "k2"));
        assert_ne!(folder("acme", "k1"), folder("globex", "k1"));
        // printf 'caas:idempotency-key:acme/k1' | sha256sum, with version and variant set
        assert_eq!(folder("acme", "k1"), "497a6c82-ca17-835c-9cd9-fcfaedb2532d");
    }

    #[test]
    fn no_folder_is_that_of_an_upload_in_parts() {
        let client = "acme".parse().unwrap();
        for number in 0..20_000 {
            let folder = IdempotencyKey(&number.to_string()).folder(&client);
            let key = ObjectKey::new(&client, &format!("{folder}/a")).unwrap();
            assert_eq!(UploadKey::of(key), None, "{number}");
        }
    }

    #[test]
    fn other_keys_are_refused() {
        assert!(IdempotencyKey::read(&headers(&[])).unwrap().is_none());
        let long = [b'k'; 256];
        for refused in [&[&b""[..]][..], &[&long], &[b"\xE4"], &[b"a", b"a"]] {
            assert!(IdempotencyKey::read(&headers(refused)).is_err());
        }
    }
}
