//! S3's information about a sealed file.

use std::{collections::HashMap, fmt, time::SystemTime};

use aws_sdk_s3::{
    config::http::HttpResponse,
    operation::{get_object::GetObjectOutput, head_object::HeadObjectOutput},
    primitives::{DateTime, DateTimeFormat},
};
use caas_aws::{ObjectKey, PutOptions, length, time};
use caas_crypto::stored::{self, Header, HeaderError};

use crate::ObjectAddress;

/// S3's information about a sealed file. None of it is authenticated, except the
/// [`header`](Self::header) once it has unlocked a key.
#[derive(Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The ETag of the sealed object, with its quotes.
    pub e_tag: String,
    /// The version, in a versioned bucket.
    pub version_id: Option<String>,
    /// Length of the sealed object in bytes.
    pub stored_len: u64,
    /// The stored content type.
    pub content_type: Option<String>,
    /// When it was stored.
    pub last_modified: SystemTime,
    /// S3's checksum of the sealed object (CRC-64/NVME, in base64), which S3 always makes of the
    /// whole object. Only
    /// [`Vault::head_version`](crate::Vault::head_version) asks for it.
    pub checksum: Option<String>,
    /// The user metadata, including the header's fields.
    pub metadata: HashMap<String, String>,
}

impl ObjectInfo {
    /// Length of the file in bytes: the sealed object's without the tag, never below 0.
    pub fn size(&self) -> u64 {
        self.stored_len.saturating_sub(stored::OVERHEAD as u64)
    }

    /// Reads the header, if the object is in the format and belongs under `key`.
    ///
    /// # Errors
    /// See [`HeaderError`].
    pub fn header(&self, key: &ObjectKey) -> Result<Header, HeaderError> {
        self.header_at(&key.into())
    }

    /// Reads the header, if the object is in the format and has the context of `address`.
    ///
    /// # Errors
    /// See [`HeaderError`].
    pub fn header_at(&self, address: &ObjectAddress) -> Result<Header, HeaderError> {
        let fields = self.metadata.iter();
        Header::parse(
            fields.map(|(name, value)| (name.as_str(), value.as_str())),
            address.context(),
        )
    }
}

macro_rules! from_output {
    ($($output:ty),*) => {$(
        impl From<$output> for ObjectInfo {
            fn from(output: $output) -> Self {
                Self {
                    e_tag: output.e_tag.unwrap_or_default(),
                    version_id: output.version_id,
                    stored_len: length(output.content_length),
                    content_type: output.content_type,
                    last_modified: time(output.last_modified),
                    checksum: output.checksum_crc64_nvme,
                    metadata: output.metadata.unwrap_or_default(),
                }
            }
        }
    )*};
}

from_output!(GetObjectOutput, HeadObjectOutput);

impl ObjectInfo {
    /// Whether the format is right and the encryption context is of another program: nothing in it is
    /// ours, so that it is no damaged one of ours.
    pub(crate) fn is_another_programs(&self, address: &ObjectAddress) -> bool {
        let ours = address.context().pairs().collect::<Vec<_>>();
        let [(suite, _), (object, hash)] = ours[..] else {
            return false;
        };
        let context = self.metadata.get("x-amz-t").map_or("", String::as_str);
        self.header_at(address) == Err(HeaderError::WrongContext)
            && context.contains(suite)
            && !context.contains(object)
            && !context.contains(hash)
    }
}

/// Without the metadata, which may contain anything.
impl fmt::Debug for ObjectInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectInfo")
            .field("e_tag", &self.e_tag)
            .field("version_id", &self.version_id)
            .field("stored_len", &self.stored_len)
            .finish_non_exhaustive()
    }
}

/// An object whose metadata the SDK cannot read: it is not ours, and so its metadata is left empty.
pub(crate) fn unreadable(response: &HttpResponse) -> ObjectInfo {
    let header = |name| response.headers().get(name);
    let last_modified = header("last-modified");
    let last_modified =
        last_modified.and_then(|text| DateTime::from_str(text, DateTimeFormat::HttpDate).ok());
    ObjectInfo {
        e_tag: header("etag").unwrap_or_default().to_owned(),
        version_id: header("x-amz-version-id").map(str::to_owned),
        stored_len: length(header("content-length").and_then(|len| len.parse().ok())),
        content_type: header("content-type").map(str::to_owned),
        last_modified: time(last_modified),
        checksum: None,
        metadata: HashMap::new(),
    }
}

/// The user metadata of an object with this header.
pub(crate) fn metadata(header: &Header, options: &PutOptions) -> HashMap<String, String> {
    let header = header.to_metadata().into_iter();
    let header = header.map(|(name, value)| (name.to_owned(), value));
    header.chain(options.metadata_pairs()).collect()
}
