//! One user of one client.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{ClientName, framing::prefixed};

/// One user of one client. Part of every derivation and of all additional data, so that what is
/// made for one user means nothing for another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserId {
    /// The tenant.
    pub client: ClientName,
    /// The tenant's user.
    pub user: Uuid,
}

impl UserId {
    /// What stands for the user in KMS encryption contexts and thus in CloudTrail: the SHA-256 of
    /// client and UUID (16 bytes), each prefixed with its length, in lower-case hex. A pseudonym:
    /// whoever knows both parts can compute it.
    pub fn subject(&self) -> String {
        hex::encode(Sha256::digest(prefixed(&self.parts())))
    }

    /// The encryption context under which KMS wraps the key of a record.
    pub fn record_context(&self) -> [(&'static str, String); 3] {
        [
            ("caas:purpose", "user-key".to_owned()),
            ("caas:client", self.client.to_string()),
            ("caas:subject", self.subject()),
        ]
    }

    /// The encryption context of a tombstone: that KMS unwraps its key under this context proves
    /// that every version up to this one was shredded.
    pub fn tombstone_context(&self, shredded_up_to: u32) -> [(&'static str, String); 4] {
        [
            ("caas:purpose", "tombstone".to_owned()),
            ("caas:client", self.client.to_string()),
            ("caas:subject", self.subject()),
            ("caas:shredded-up-to", shredded_up_to.to_string()),
        ]
    }

    pub(crate) fn parts(&self) -> [&[u8]; 2] {
        [self.client.as_str().as_bytes(), self.user.as_bytes()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_pinned_and_name_no_uuid() {
        let text = "0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e11";
        let id = |text: &str| UserId {
            client: "acme".parse().unwrap(),
            user: text.parse().unwrap(),
        };
        assert_eq!(id(text), id(&text.to_uppercase()));
        let subject = id(text).subject();
        assert_eq!(
            subject,
            "82d5f6e84272314ebc08beebb86811a10d645e983794726e4054086c63cc39be"
        );
        assert_eq!(
            id(text).record_context(),
            [
                ("caas:purpose", "user-key".to_owned()),
                ("caas:client", "acme".to_owned()),
                ("caas:subject", subject.clone()),
            ]
        );
        assert_eq!(
            id(text).tombstone_context(12),
            [
                ("caas:purpose", "tombstone".to_owned()),
                ("caas:client", "acme".to_owned()),
                ("caas:subject", subject),
                ("caas:shredded-up-to", "12".to_owned()),
            ]
        );
    }
}
