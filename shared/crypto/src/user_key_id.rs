//! What identifies one version of one user's key.

use uuid::Uuid;

use crate::ClientName;

/// The domain separator of every derivation and of every reversible value.
pub(crate) const DOMAIN: &[u8] = b"caas:v1";

/// Identifies one version of one user's key. Part of every derivation, so the same secret gives
/// other keys under another id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserKeyId {
    /// The tenant.
    pub client: ClientName,
    /// The tenant's user.
    pub user: Uuid,
    /// The version of the user's key. Numbers are never reused.
    pub version: u32,
}

impl UserKeyId {
    /// The encryption context under which KMS wraps this key. The UUID is written in lower case
    /// with hyphens, the version in decimal.
    pub fn encryption_context(&self) -> [(&'static str, String); 4] {
        [
            ("caas:purpose", "user-key".to_owned()),
            ("caas:client", self.client.to_string()),
            ("caas:user", self.user.hyphenated().to_string()),
            ("caas:version", self.version.to_string()),
        ]
    }
}
