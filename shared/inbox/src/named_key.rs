//! Keys in the inbox. Whoever may put objects there chooses their names.

use caas_aws::ObjectKey;

/// A key in the inbox.
#[derive(Debug, PartialEq, Eq)]
pub enum NamedKey {
    /// The key of a file.
    File(ObjectKey),
    /// What the S3 console creates for a folder: an empty object whose key ends with a slash. There
    /// is nothing to seal.
    Folder,
    /// A key without a client, or with an illegal path.
    Illegal,
}

impl NamedKey {
    /// The key `key`, with the object's size in bytes if it is known.
    pub fn new(key: &str, size: Option<u64>) -> Self {
        match ObjectKey::parse(key) {
            Ok(key) => Self::File(key),
            Err(_) if key.ends_with('/') && size == Some(0) => Self::Folder,
            Err(_) => Self::Illegal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_empty_and_illegal_keys_are_told_apart() {
        let file = ObjectKey::parse("acme/a").unwrap();
        assert_eq!(NamedKey::new("acme/a", None), NamedKey::File(file));
        for key in ["acme/folder/", "acme/"] {
            assert_eq!(NamedKey::new(key, Some(0)), NamedKey::Folder);
            assert_eq!(NamedKey::new(key, Some(1)), NamedKey::Illegal);
            assert_eq!(NamedKey::new(key, None), NamedKey::Illegal);
        }
        for key in ["a.pdf", "Acme/a.pdf", "acme/../b/c", "acme/a\0", ""] {
            assert_eq!(NamedKey::new(key, Some(0)), NamedKey::Illegal, "{key}");
        }
    }
}
