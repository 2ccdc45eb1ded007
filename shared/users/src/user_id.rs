//! One user of one client.

use caas_aws::ObjectKey;
use caas_crypto::{ClientName, UserKeyId};
use uuid::Uuid;

/// One user of one client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserId {
    /// The tenant.
    pub client: ClientName,
    /// The tenant's user.
    pub user: Uuid,
}

impl UserId {
    /// The S3 key of the record: the UUID in lower case, so that either case is one user.
    pub(crate) fn record_key(&self) -> ObjectKey {
        ObjectKey::new(&self.client, &format!("{}.json", self.user.hyphenated()))
            .expect("a UUID is a legal path")
    }

    pub(crate) fn version(&self, version: u32) -> UserKeyId {
        UserKeyId {
            client: self.client.clone(),
            user: self.user,
            version,
        }
    }
}
