//! Sealing a file into the vault: up to 8 MiB in one request, longer files in parts.

use aws_sdk_s3::{error::SdkError, primitives::ByteStream};
use caas_aws::{ObjectKey, PutOptions, off_worker};
use caas_crypto::{
    DataKey,
    stored::{self, Header, OpeningKey, SealingKey, WrappedKey},
};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::{
    ObjectAddress, PART_LEN, PutError, Vault,
    checked::CheckedSealer,
    error::{is_precondition, no_data_key, not_written},
    multipart::MultipartUpload,
    object_info::metadata,
    part::PartBuffers,
};

/// What was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The ETag of the sealed object, with its quotes.
    pub e_tag: String,
    /// The version, in a versioned bucket.
    pub version_id: Option<String>,
    /// Length of the content in bytes.
    pub size: u64,
    /// The header as sent. It is unique: [`ObjectInfo::header`](crate::ObjectInfo::header) equals
    /// it only for the object that this put stored.
    pub header: Header,
    /// S3's checksum (CRC-64/NVME, in base64) of the whole body. S3 has compared what it stored with
    /// it, and the body opened again with the key that the header unlocks.
    pub checksum: String,
}

impl Vault {
    /// Seals content that is in memory. One GenerateDataKey; one PutObject, or a multipart upload
    /// if it is longer than [`PART_LEN`].
    ///
    /// # Errors
    /// See [`PutError`].
    pub async fn put(
        &self,
        key: &ObjectKey,
        content: Vec<u8>,
        options: &PutOptions,
    ) -> Result<Stored, PutError> {
        options.admit_whole(content.len() as u64)?;
        if content.len() > PART_LEN {
            return self.put_reader(key, content.as_slice(), options).await;
        }
        self.put_whole(&key.into(), content, options).await
    }

    /// Seals content of any length as it is read, in about 40 MiB of memory. Nothing is visible
    /// before all of it is stored, and nothing is left behind if the source fails, S3 fails or this
    /// future is dropped: a multipart upload that was started is aborted.
    ///
    /// `tokio_util::io::StreamReader` makes a reader of a stream of bytes, and `into_async_read`
    /// makes one of S3's `ByteStream`. Set [`PutOptions::exact_len`] if the length is known.
    ///
    /// # Errors
    /// See [`PutError`].
    pub async fn put_reader(
        &self,
        key: &ObjectKey,
        reader: impl AsyncRead + Unpin,
        options: &PutOptions,
    ) -> Result<Stored, PutError> {
        self.put_at(&key.into(), reader, options).await
    }

    /// As [`put_reader`](Self::put_reader), at any address: for AWS's clients, which open the object
    /// with the same context, as for [`open_at`](Self::open_at).
    ///
    /// # Errors
    /// See [`PutError`].
    pub async fn put_at(
        &self,
        address: &ObjectAddress,
        reader: impl AsyncRead + Unpin,
        options: &PutOptions,
    ) -> Result<Stored, PutError> {
        options.admit(options.announced_len().unwrap_or_default())?;
        let mut source = Source {
            reader,
            options,
            len: 0,
        };
        let mut first = Vec::new();
        // One byte more than a part shows whether parts are needed.
        if source.fill(&mut first, PART_LEN + 1).await? {
            return self.put_whole(address, first, options).await;
        }
        let (header, sealing_key, opening_key) = self.begin(address).await?;
        let mut upload = MultipartUpload::create(self, address.key(), &header, options).await?;
        let sealer = CheckedSealer::new(sealing_key, &opening_key);
        let checksum = match send_parts(&mut upload, sealer, &mut source, first).await {
            Ok(checksum) => checksum,
            Err(error) => {
                upload.abort().await;
                return Err(error);
            }
        };
        let size = source.len;
        let completed = upload.complete(&checksum, options).await;
        let outcome = match completed {
            Ok(response) => Ok((response.e_tag.unwrap_or_default(), response.version_id)),
            Err(error) => {
                let lost = is_precondition(&error);
                Err(self.refusal("CompleteMultipartUpload", &error, lost))
            }
        };
        let outcome = self.or_already_there(address, &header, outcome).await;
        match outcome {
            Ok(_) => upload.forget(),
            Err(_) => upload.abort().await,
        }
        outcome.map(|(e_tag, version_id)| Stored {
            e_tag,
            version_id,
            size,
            header,
            checksum,
        })
    }

    async fn put_whole(
        &self,
        address: &ObjectAddress,
        mut content: Vec<u8>,
        options: &PutOptions,
    ) -> Result<Stored, PutError> {
        let size = content.len() as u64;
        content.reserve_exact(stored::OVERHEAD);
        let (header, sealing_key, opening_key) = self.begin(address).await?;
        let sealer = CheckedSealer::new(sealing_key, &opening_key);
        let (content, checksum) = seal_last(sealer, content).await?;
        let response = self
            .s3()
            .put_object()
            .bucket(self.bucket_name())
            .key(address.key())
            .set_content_type(options.content_type_header())
            .set_metadata(Some(metadata(&header, options)))
            .set_if_match(options.if_match_header())
            .set_if_none_match(options.if_none_match_header())
            .checksum_crc64_nvme(&checksum)
            .body(ByteStream::from(content))
            .customize()
            // S3 checks the checksum, and every reader the tag: a signature of the content would be one more pass.
            .disable_payload_signing()
            .send()
            .await;
        let outcome = match response {
            Ok(response) => Ok((response.e_tag.unwrap_or_default(), response.version_id)),
            Err(error) => {
                let lost = is_precondition(&error);
                Err(self.refusal("PutObject", &error, lost))
            }
        };
        let (e_tag, version_id) = self.or_already_there(address, &header, outcome).await?;
        Ok(Stored {
            e_tag,
            version_id,
            size,
            header,
            checksum,
        })
    }

    /// Makes a new data key for this object, and its header, which unlocks the opening key.
    pub(crate) async fn begin(
        &self,
        address: &ObjectAddress,
    ) -> Result<(Header, SealingKey, OpeningKey), PutError> {
        let context = address.context().clone();
        let (data_key, wrapped_key) = self
            .key
            .generate(context.pairs())
            .await
            .map_err(no_data_key)?;
        let wrapped_key = WrappedKey::try_from(wrapped_key).map_err(|_| PutError::Unavailable)?;
        // Only the type forbids to seal twice with a data key: another of the same bytes opens.
        let opens = DataKey::try_from(data_key.as_slice()).map_err(|_| PutError::Unavailable)?;
        let begun = stored::begin(DataKey::from(data_key), wrapped_key, context);
        let (header, sealing_key) = begun.map_err(|_| PutError::Unavailable)?;
        let opening_key = header.unlock(&opens);
        let opening_key = opening_key.map_err(|_| PutError::DoesNotOpen)?;
        Ok((header, sealing_key, opening_key))
    }

    fn refusal<E>(
        &self,
        operation: &'static str,
        error: &SdkError<E, aws_sdk_s3::config::http::HttpResponse>,
        lost: bool,
    ) -> PutError {
        if lost {
            PutError::PreconditionFailed
        } else {
            not_written(operation, error)
        }
    }

    /// Checks whether a refused write was stored nevertheless. That happens if S3's first response
    /// is lost: the SDK repeats the request, and its own object fails the condition.
    async fn or_already_there(
        &self,
        address: &ObjectAddress,
        header: &Header,
        outcome: Result<(String, Option<String>), PutError>,
    ) -> Result<(String, Option<String>), PutError> {
        let Err(refused) = outcome else {
            return outcome;
        };
        match self.head_at(address.key()).await {
            Ok(Some(info)) if info.header_at(address).as_ref() == Ok(header) => {
                Ok((info.e_tag, info.version_id))
            }
            _ => Err(refused),
        }
    }
}

/// Seals and sends part after part, and returns the checksum of the body; `first` holds one part and
/// one byte. If a part fails, the caller has to abort the upload.
async fn send_parts<R: AsyncRead + Unpin>(
    upload: &mut MultipartUpload,
    mut sealer: CheckedSealer,
    source: &mut Source<'_, R>,
    first: Vec<u8>,
) -> Result<String, PutError> {
    let mut buffers = PartBuffers::default();
    let mut part = first;
    let mut rest = part.split_off(PART_LEN);
    loop {
        (sealer, part) = seal(sealer, part).await?;
        upload.send(part, &mut buffers).await?;

        part = buffers.take();
        part.append(&mut rest);
        if source.fill(&mut part, PART_LEN).await? {
            break;
        }
    }
    let (part, checksum) = seal_last(sealer, part).await?;
    upload.send(part, &mut buffers).await?;
    upload.all_sent().await?;
    Ok(checksum)
}

/// Seals a part that is not the last.
async fn seal(
    mut sealer: CheckedSealer,
    mut part: Vec<u8>,
) -> Result<(CheckedSealer, Vec<u8>), PutError> {
    off_worker(part.len(), move || {
        sealer.update(&mut part)?;
        Ok((sealer, part))
    })
    .await?
}

/// Seals the last part, and returns it with the checksum of the body.
async fn seal_last(
    mut sealer: CheckedSealer,
    mut part: Vec<u8>,
) -> Result<(Vec<u8>, String), PutError> {
    off_worker(part.len(), move || {
        sealer.update(&mut part)?;
        let checksum = sealer.finish(&mut part)?;
        Ok((part, checksum))
    })
    .await?
}

/// The content's source, and how many bytes have been read from it.
struct Source<'o, R> {
    reader: R,
    options: &'o PutOptions,
    len: u64,
}

impl<R: AsyncRead + Unpin> Source<'_, R> {
    /// Reads until `buffer` holds `len` bytes; true if the content ends before that.
    async fn fill(&mut self, buffer: &mut Vec<u8>, len: usize) -> Result<bool, PutError> {
        let wanted = len.saturating_sub(buffer.len()) as u64;
        let mut reader = (&mut self.reader).take(wanted);
        let read = reader.read_to_end(buffer).await.map_err(PutError::Source)? as u64;
        self.len += read;
        self.options.admit(self.len)?;
        if read < wanted {
            self.options.admit_whole(self.len)?;
        }
        Ok(read < wanted)
    }
}
