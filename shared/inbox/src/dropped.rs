//! Reading a dropped object.

use std::fmt;

use aws_sdk_s3::{error::ProvideErrorMetadata, primitives::ByteStream, types::ChecksumMode};
use caas_aws::{ObjectKey, Unavailable, VersionedBucket, length, status};
use tokio::io::AsyncRead;

use crate::{Failure, metadata::SINGLE_USE};

/// What S3 responds for an archived object, and for one encrypted with a key that only its sender
/// has (SSE-C).
const NEVER_RETURNED: [&str; 2] = ["InvalidObjectState", "InvalidRequest"];

/// An object that is being read.
pub(crate) struct Dropped {
    pub(crate) version_id: String,
    /// Its length in bytes.
    pub(crate) size: u64,
    pub(crate) content_type: Option<String>,
    /// Whether it carries [`SINGLE_USE`].
    pub(crate) is_single_use: bool,
    body: ByteStream,
}

impl Dropped {
    /// Starts reading the current version; `None` if there is none. One GetObject.
    pub(crate) async fn read(
        inbox: &VersionedBucket,
        key: &ObjectKey,
    ) -> Result<Option<Self>, Failure> {
        let request = inbox.client().get_object().bucket(inbox.name());
        let request = request.key(key.as_str());
        match request.checksum_mode(ChecksumMode::Enabled).send().await {
            Ok(response) => Ok(Some(Self {
                version_id: response.version_id.unwrap_or_else(|| "null".to_owned()),
                size: length(response.content_length),
                content_type: response.content_type,
                is_single_use: response
                    .metadata
                    .is_some_and(|it| it.contains_key(SINGLE_USE)),
                body: response.body,
            })),
            Err(error) => match (status(&error), error.code()) {
                (Some(404), _) => Ok(None),
                // The SDK cannot read the metadata.
                (Some(200), _) => Err(Failure::NotReturned),
                (_, Some(code)) if NEVER_RETURNED.contains(&code) => Err(Failure::NotReturned),
                _ => Err(Unavailable::new("GetObject", &error).into()),
            },
        }
    }

    /// The content. If S3 has a checksum of the whole object and it does not match, reading fails
    /// at the end.
    pub(crate) fn into_reader(self) -> impl AsyncRead + Send + Unpin {
        Box::pin(self.body.into_async_read())
    }
}

/// Without the content.
impl fmt::Debug for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dropped")
            .field("version_id", &self.version_id)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
