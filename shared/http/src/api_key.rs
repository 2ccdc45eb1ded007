//! API keys identify the caller.

use std::str::FromStr;

use caas_crypto::{ClientName, ContentKey, RandomnessUnavailable};
use http::{HeaderMap, HeaderName, header};
use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::{Problem, ProblemKind};

/// The header that carries an API key.
pub const API_KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// The prefix of every key, by which people and secret scanners recognise one.
const PREFIX: &str = "caas_";

/// The length of every key in characters: the prefix, 256 random bits in base64url, the checksum.
const KEY_LEN: usize = PREFIX.len() + 43 + CHECKSUM_LEN;

/// The length of the checksum in characters.
const CHECKSUM_LEN: usize = 6;

/// A new API key, 54 characters: `caas_`, 256 random bits in base64url without padding, and a
/// checksum of both, the CRC-32 (ISO 3309) as six base62 digits (`0-9A-Za-z`). By the checksum a
/// mistyped key is refused, and secret scanners recognise a key, without looking it up.
///
/// # Errors
/// The system's random number generator is not available.
pub fn generate_api_key() -> Result<Zeroizing<String>, RandomnessUnavailable> {
    let random = ContentKey::generate()?;
    let mut key = Zeroizing::new(String::with_capacity(KEY_LEN));
    key.push_str(PREFIX);
    key.push_str(&random.to_base64url());
    let checksum = checksum(key.as_bytes());
    key.extend(checksum.map(char::from));
    Ok(key)
}

fn checksum(text: &[u8]) -> [u8; CHECKSUM_LEN] {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = crc32fast::hash(text) as usize;
    let mut digits = [0; CHECKSUM_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[rest % 62];
        rest /= 62;
    }
    digits
}

/// Whether the text is an API key by its form: prefix, length, characters and checksum.
pub fn is_api_key(key: &[u8]) -> bool {
    let Some((text, last)) = key.split_last_chunk() else {
        return false;
    };
    let is_base64url = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    key.len() == KEY_LEN
        && text.starts_with(PREFIX.as_bytes())
        && text.iter().all(is_base64url)
        && checksum(text) == *last
}

/// What is deployed instead of a key: the lower-case hex SHA-256 of its text.
///
/// The keys have 256 bits of entropy, so that a plain hash is as good as a slow one.
pub fn hash_api_key(key: &str) -> String {
    hex::encode(Sha256::digest(key))
}

/// The hashes of the accepted keys, each with the client it belongs to.
///
/// Written as `client:sha256hex,…`; a client may have several keys, for rotation. The default is
/// empty and refuses everybody.
#[derive(Clone, Debug, Default)]
pub struct ApiKeys(Vec<(ClientName, [u8; 32])>);

impl ApiKeys {
    /// The client whose key is in `x-api-key` or `Authorization: Bearer`.
    ///
    /// # Errors
    /// `unauthorized`: no key, an unknown or a malformed one, all after the same work.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<ClientName, Problem> {
        self.identify(presented_key(headers))
            .ok_or_else(|| ProblemKind::Unauthorized.into())
    }

    /// Refuses a stranger whose key is in the headers, before a body that may hold one is read.
    ///
    /// # Errors
    /// `unauthorized`: there are keys in the headers, and not exactly one known key.
    pub(crate) fn check_headers(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if presents_key(headers) {
            self.authenticate(headers)?;
        }
        Ok(())
    }

    /// The client whose key is in the headers, in the body, or in both: then both are this client's.
    ///
    /// # Errors
    /// `unauthorized`, the same for every cause.
    pub fn authenticate_with_body(
        &self,
        headers: &HeaderMap,
        in_body: Option<&str>,
    ) -> Result<ClientName, Problem> {
        let Some(in_body) = in_body else {
            return self.authenticate(headers);
        };
        let client = self.identify(in_body.as_bytes());
        let agree = !presents_key(headers) || self.identify(presented_key(headers)) == client;
        client
            .filter(|_| agree)
            .ok_or_else(|| ProblemKind::Unauthorized.into())
    }

    /// The client that `key` belongs to. For a well-formed key, the time taken depends on the number
    /// of configured keys alone.
    pub fn identify(&self, key: &[u8]) -> Option<ClientName> {
        if !is_api_key(key) {
            return None;
        }
        let presented: [u8; 32] = Sha256::digest(key).into();
        let mut found = u32::MAX;
        for (index, (_, hash)) in (0..).zip(&self.0) {
            found.conditional_assign(&index, hash.ct_eq(&presented));
        }
        let (client, _) = self.0.get(found as usize)?;
        Some(client.clone())
    }
}

/// The key as sent; empty if there is none or more than one.
fn presented_key(headers: &HeaderMap) -> &[u8] {
    let mut keys = presented_keys(headers);
    match (keys.next(), keys.next()) {
        (Some(key), None) => key,
        _ => b"",
    }
}

fn presents_key(headers: &HeaderMap) -> bool {
    presented_keys(headers).next().is_some()
}

fn presented_keys(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(API_KEY_HEADER)
        .iter()
        .map(http::HeaderValue::as_bytes)
        .chain(
            headers
                .get_all(header::AUTHORIZATION)
                .iter()
                .filter_map(|value| {
                    let (scheme, key) = value.as_bytes().split_at_checked("Bearer ".len())?;
                    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(key)
                }),
        )
}

impl FromStr for ApiKeys {
    type Err = InvalidApiKeys;

    fn from_str(text: &str) -> Result<Self, InvalidApiKeys> {
        let entry = |(index, entry): (usize, &str)| {
            let invalid = InvalidApiKeys {
                position: index + 1,
            };
            let (client, hash) = entry.trim().split_once(':').ok_or(invalid)?;
            let mut bytes = [0; 32];
            hex::decode_to_slice(hash, &mut bytes).map_err(|_| invalid)?;
            Ok((client.parse().map_err(|_| invalid)?, bytes))
        };
        let entries = text
            .split(',')
            .enumerate()
            .filter(|(_, entry)| !entry.trim().is_empty());
        entries.map(entry).collect::<Result<_, _>>().map(Self)
    }
}

/// The configured API keys cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "entry {position} is not 'client:hash', with a client of a-z, 0-9 and '-' and the key's SHA-256 \
     in 64 hex digits"
)]
pub struct InvalidApiKeys {
    /// The position of the entry, from 1.
    pub position: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn a_key_lets_exactly_its_client_in() {
        let [acme, acme_next, globex] = [0; 3].map(|_| generate_api_key().unwrap());
        let configured = [("acme", &acme), ("acme", &acme_next), ("globex", &globex)]
            .map(|(client, key)| format!("{client}:{}", hash_api_key(key)))
            .join(",");
        let keys: ApiKeys = configured.parse().unwrap();

        let bearer = format!("bearer {}", *globex);
        type Sent<'a> = &'a [(&'static str, &'a str)];
        let cases: &[(Sent<'_>, Option<&str>)] = &[
            (&[("x-api-key", &acme)], Some("acme")),
            (&[("x-api-key", &acme_next)], Some("acme")),
            (&[("authorization", &bearer)], Some("globex")),
            (
                &[("x-api-key", &acme), ("authorization", "Basic eDp5")],
                Some("acme"),
            ),
            (&[], None),
            (&[("x-api-key", "")], None),
            (&[("x-api-key", &acme[..53])], None),
            (&[("x-api-key", &hash_api_key(&acme))], None),
            (&[("authorization", &globex)], None),
            (&[("authorization", "Bearer")], None),
            (&[("x-api-key", &acme), ("x-api-key", &acme)], None),
            (&[("x-api-key", &acme), ("authorization", &bearer)], None),
        ];
        for (sent, client) in cases {
            let answer = keys.authenticate(&headers(sent)).ok();
            assert_eq!(answer.as_ref().map(ClientName::as_str), *client, "{sent:?}");
        }
    }

    #[test]
    fn a_key_in_the_body_agrees_with_the_headers() {
        let [acme, acme_next, globex] = [0; 3].map(|_| generate_api_key().unwrap());
        let configured = [("acme", &acme), ("acme", &acme_next), ("globex", &globex)]
            .map(|(client, key)| format!("{client}:{}", hash_api_key(key)))
            .join(",");
        let keys: ApiKeys = configured.parse().unwrap();

        let one = |key| headers(&[("x-api-key", key)]);
        let none = || headers(&[]);
        for (sent, in_body, client) in [
            (none(), Some(acme.as_str()), Some("acme")),
            (one(&acme), None, Some("acme")),
            (one(&acme), Some(&acme), Some("acme")),
            (one(&acme_next), Some(&acme), Some("acme")),
            (none(), None, None),
            (none(), Some(""), None),
            (none(), Some("other"), None),
            (one(&globex), Some(&acme), None),
            (one("other"), Some(&acme), None),
            (one("other"), Some("other"), None),
            (one(""), Some(&acme), None),
            (one(&acme), Some(""), None),
        ] {
            let answer = keys.authenticate_with_body(&sent, in_body).ok();
            assert_eq!(answer.as_ref().map(ClientName::as_str), client, "{sent:?}");
        }
    }

    #[test]
    fn the_published_keys_are_well_formed_and_no_mistyped_one_is() {
        let vectors = include_str!("../../../docs/formats/vectors.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        let vectors = vectors["api_keys"].as_array().unwrap();
        assert_eq!(vectors.len(), 4);
        for vector in vectors {
            let key = vector["api_key"].as_str().unwrap();
            assert_eq!(vector["sha256"], hash_api_key(key));
            let keys: ApiKeys = format!("acme:{}", hash_api_key(key)).parse().unwrap();
            assert!(keys.identify(key.as_bytes()).is_some(), "{key}");
            for position in 0..key.len() {
                let mut mistyped = key.as_bytes().to_vec();
                mistyped[position] ^= 1;
                assert!(!is_api_key(&mistyped), "{position}");
                mistyped.remove(position);
                assert!(!is_api_key(&mistyped), "{position}");
            }
        }
        // A configured hash of something else admits nobody.
        for text in ["", "x", "caas_", &"x".repeat(54)] {
            let keys: ApiKeys = format!("acme:{}", hash_api_key(text)).parse().unwrap();
            assert!(keys.identify(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn without_configured_keys_nobody_gets_in() {
        let hash_of_nothing = format!("acme:{}", hash_api_key(""));
        for configured in ["", " ", ",", " , ", &hash_of_nothing] {
            let keys: ApiKeys = configured.parse().unwrap();
            assert!(keys.authenticate(&headers(&[])).is_err());
            assert!(keys.authenticate(&headers(&[("x-api-key", "")])).is_err());
            assert!(
                keys.authenticate(&headers(&[("x-api-key", "anything")]))
                    .is_err()
            );
        }
    }

    #[test]
    fn a_bad_entry_is_named_by_its_position() {
        let good = format!("acme:{}", hash_api_key("x"));
        let bad = [
            "acme",
            "acme:",
            "acme:00",
            "ACME:00",
            &good[4..],
            &format!("{good}0"),
            "a:b:c",
        ];
        for entry in bad {
            let error = format!("{good}, {entry}").parse::<ApiKeys>().unwrap_err();
            assert_eq!(error, InvalidApiKeys { position: 2 }, "{entry}");
        }
    }
}
