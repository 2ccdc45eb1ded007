//! The API keys of the setting `API_KEYS`.

use std::str::FromStr;

use caas_crypto::ClientName;
use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::KeyHash;

/// The hashes of the configured keys, each with the client it belongs to. These keys have every
/// scope.
///
/// Written as `client:sha256hex,…`; a client may have several keys, for rotation. The default is
/// empty and refuses everybody.
#[derive(Clone, Debug, Default)]
pub struct ConfiguredKeys(Vec<(ClientName, KeyHash)>);

impl ConfiguredKeys {
    /// The client that the key with this hash belongs to. The time taken depends only on the number
    /// of configured keys.
    pub fn client(&self, key: &KeyHash) -> Option<&ClientName> {
        let mut found = u32::MAX;
        for (index, (_, hash)) in (0..).zip(&self.0) {
            found.conditional_assign(&index, hash.ct_eq(key));
        }
        let (client, _) = self.0.get(found as usize)?;
        Some(client)
    }
}

impl FromStr for ConfiguredKeys {
    type Err = InvalidApiKeys;

    fn from_str(text: &str) -> Result<Self, InvalidApiKeys> {
        let entry = |(index, entry): (usize, &str)| {
            let invalid = InvalidApiKeys {
                position: index + 1,
            };
            let (client, hash) = entry.trim().split_once(':').ok_or(invalid)?;
            let client = client.parse().map_err(|_| invalid)?;
            Ok((client, hash.parse().map_err(|_| invalid)?))
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

    #[test]
    fn a_key_belongs_to_the_client_of_its_entry() {
        let [acme, acme_next, globex] = ["a", "b", "c"].map(KeyHash::of);
        let text = format!("acme:{acme}, acme:{acme_next},globex:{globex},");
        let keys: ConfiguredKeys = text.parse().unwrap();
        for (hash, client) in [
            (acme, Some("acme")),
            (acme_next, Some("acme")),
            (globex, Some("globex")),
            (KeyHash::of("d"), None),
        ] {
            assert_eq!(keys.client(&hash).map(ClientName::as_str), client);
        }
        for empty in ["", " ", ",", " , "] {
            let keys: ConfiguredKeys = empty.parse().unwrap();
            assert_eq!(keys.client(&acme), None);
        }
    }

    #[test]
    fn a_bad_entry_is_named_by_its_position() {
        let good = format!("acme:{}", KeyHash::of("x"));
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
            let error = format!("{good}, {entry}").parse::<ConfiguredKeys>();
            assert_eq!(
                error.unwrap_err(),
                InvalidApiKeys { position: 2 },
                "{entry}"
            );
        }
    }
}
