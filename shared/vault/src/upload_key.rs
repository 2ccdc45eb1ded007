//! The keys of files that clients send in parts.

use caas_aws::{InvalidObjectKey, ObjectKey};
use caas_crypto::ClientName;
use uuid::Uuid;

/// Bits 52 to 63 of the UUID.
const MARK: u16 = 0xCAA;

/// The key of a file that a client sends in parts: `{client}/{uuid}/{name}`.
///
/// The UUID marks these keys: version 8, a Unix time in milliseconds as in version 7, the mark
/// `caa`, and random bits. The key is all that the service chooses of what S3 lists about a
/// multipart upload, so the key says whose upload it is: a client's, which may take days, or the
/// service's own, which is aborted after an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadKey(ObjectKey);

impl UploadKey {
    /// A new key for a file of this name.
    ///
    /// # Errors
    /// The name is not legal in a key.
    pub fn new(client: &ClientName, name: &str) -> Result<Self, InvalidObjectKey> {
        let mut bytes = Uuid::now_v7().into_bytes();
        // `new_v8` overwrites the bits of version and variant.
        [bytes[6], bytes[7]] = MARK.to_be_bytes();
        let folder = Uuid::new_v8(bytes);
        ObjectKey::new(client, &format!("{folder}/{name}")).map(Self)
    }

    /// The key, if it is one of these.
    pub fn of(key: ObjectKey) -> Option<Self> {
        let (folder, name) = key.path().split_once('/')?;
        let uuid = Uuid::try_parse(folder).ok()?;
        let bytes = uuid.into_bytes();
        let is_marked = u16::from_be_bytes([bytes[6] & 0x0F, bytes[7]]) == MARK;
        let is_one = is_marked
            && uuid.get_version_num() == 8
            && uuid.to_string() == folder
            && !name.contains('/');
        is_one.then_some(Self(key))
    }

    /// The key of the object.
    pub fn object_key(&self) -> &ObjectKey {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_ones_are_recognised() {
        let client = "acme".parse().unwrap();
        let key = UploadKey::new(&client, "a b.mp4").unwrap();
        assert_eq!(UploadKey::of(key.object_key().clone()), Some(key.clone()));
        assert!(UploadKey::new(&client, "").is_err());
        let folder = key.object_key().path().split('/').next().unwrap();
        for other in [
            folder.to_owned(),
            format!("{folder}/a/b"),
            format!("x/{folder}/a"),
            format!("{}/a", folder.to_uppercase()),
            format!("{}/a", folder.replace('-', "")),
            format!("{}/a", folder.replace("-8caa-", "-8cab-")),
            format!("{}/a", folder.replace("-8caa-", "-7caa-")),
            format!("{}/a", Uuid::now_v7()),
            format!("{}/a", Uuid::new_v4()),
            "reports/a".to_owned(),
        ] {
            let other_key = ObjectKey::new(&client, &other).unwrap();
            assert_eq!(UploadKey::of(other_key), None, "{other}");
        }
    }

    #[test]
    fn they_are_distinct_and_in_the_order_of_time() {
        let client = "acme".parse().unwrap();
        let keys: Vec<_> = (0..1_000)
            .map(|_| UploadKey::new(&client, "a").unwrap().0)
            .collect();
        let mut distinct = keys.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), keys.len());
        let time = |key: &ObjectKey| key.path()[..13].to_owned();
        assert!(keys.is_sorted_by_key(time));
    }
}
