//! The name of a tenant.

use std::{fmt, str::FromStr};

/// The name of the client that an API key belongs to, and the tenant boundary: `[a-z0-9-]{1,32}`.
///
/// It is the first component of every S3 key that a caller can reach, and part of every user's key
/// derivation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientName(String);

impl ClientName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClientName {
    type Err = InvalidClientName;

    fn from_str(name: &str) -> Result<Self, InvalidClientName> {
        let legal = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if (1..=32).contains(&name.len()) && name.bytes().all(legal) {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidClientName)
        }
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not a [`ClientName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client name must have 1 to 32 characters out of a-z, 0-9 and '-'")]
pub struct InvalidClientName;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_exactly_the_documented_names() {
        let longest = "a".repeat(32);
        for name in ["a", "0", "-", "acme-2", longest.as_str()] {
            assert_eq!(name.parse::<ClientName>().unwrap().as_str(), name);
        }
        let too_long = "a".repeat(33);
        for name in [
            "",
            "A",
            "a/b",
            "a.b",
            "..",
            "ä",
            "a\0",
            " a",
            too_long.as_str(),
        ] {
            assert_eq!(
                name.parse::<ClientName>(),
                Err(InvalidClientName),
                "{name:?}"
            );
        }
    }
}
