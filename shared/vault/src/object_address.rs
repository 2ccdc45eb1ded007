//! Where an object is, and under which encryption context.

use std::fmt;

use caas_aws::ObjectKey;
use caas_crypto::stored::EncryptionContext;

/// An S3 key and the encryption context of the object there. The vault's own files are at an
/// [`ObjectKey`], which determines the context; other programs' objects have any key
/// and any context.
#[derive(Clone, PartialEq, Eq)]
pub struct ObjectAddress {
    key: String,
    context: EncryptionContext,
}

impl ObjectAddress {
    /// The object at this S3 key, with the context that its reader expects or its writer gives it.
    pub fn new(key: impl Into<String>, context: EncryptionContext) -> Self {
        let key = key.into();
        Self { key, context }
    }

    /// The S3 key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The encryption context.
    pub fn context(&self) -> &EncryptionContext {
        &self.context
    }
}

impl From<&ObjectKey> for ObjectAddress {
    fn from(key: &ObjectKey) -> Self {
        let context = EncryptionContext::for_object(key.as_str());
        Self::new(key.as_str(), context)
    }
}

/// Without key and context: file names stay out of logs.
impl fmt::Debug for ObjectAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectAddress").finish_non_exhaustive()
    }
}
