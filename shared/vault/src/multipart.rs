//! One multipart upload, which ends completed or aborted.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::{
    Client,
    config::http::HttpResponse,
    error::SdkError,
    operation::complete_multipart_upload::{
        CompleteMultipartUploadError, CompleteMultipartUploadOutput,
    },
    primitives::ByteStream,
    types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart},
};
use bytes::Bytes;
use caas_aws::{ListedUpload, PutOptions, Unavailable, status};
use caas_crypto::stored::Header;
use tokio::{runtime::Handle, task::JoinSet};

use crate::{
    PutError, Vault, error::not_written, object_info::metadata, part::PartBuffers,
    upload::may_be_a_clients,
};

/// How many parts are sent concurrently.
const CONCURRENCY: usize = 3;

/// Pauses between attempts to abort.
const ABORT_PAUSES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// An upload that S3 has created. If it is dropped before its end, it is aborted in the background.
///
/// If the process dies or S3 stays unavailable, a lifecycle rule of the bucket
/// (`AbortIncompleteMultipartUpload`) has to remove the upload; it costs storage and is never
/// visible.
pub(crate) struct MultipartUpload {
    id: Option<UploadId>,
    under_way: JoinSet<Result<(CompletedPart, Bytes), PutError>>,
    completed: Vec<CompletedPart>,
    runtime: Handle,
}

/// Identifies an upload.
#[derive(Clone)]
pub(crate) struct UploadId {
    client: Client,
    bucket: String,
    key: String,
    upload_id: String,
}

impl MultipartUpload {
    /// Starts an upload with this header.
    pub(crate) async fn create(
        vault: &Vault,
        key: &str,
        header: &Header,
        options: &PutOptions,
    ) -> Result<Self, PutError> {
        let client = vault.s3().clone();
        let (bucket, key) = (vault.bucket_name().to_owned(), key.to_owned());
        let request = client
            .create_multipart_upload()
            .bucket(&bucket)
            .key(&key)
            .set_content_type(options.content_type_header())
            .set_metadata(Some(metadata(header, options)))
            .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
            .checksum_type(ChecksumType::FullObject);
        // In its own task, so that a caller that stops waiting does not lose the id.
        let created = tokio::spawn(async move {
            let response = request.send().await;
            let response =
                response.map_err(|error| not_written("CreateMultipartUpload", &error))?;
            let upload_id = response.upload_id.ok_or(Unavailable)?;
            Ok(Self {
                id: Some(UploadId {
                    client,
                    bucket,
                    key,
                    upload_id,
                }),
                under_way: JoinSet::new(),
                completed: Vec::new(),
                runtime: Handle::current(),
            })
        });
        created.await.unwrap_or(Err(PutError::Unavailable))
    }

    /// Sends the next part as soon as fewer than [`CONCURRENCY`] are under way.
    pub(crate) async fn send(
        &mut self,
        part: Vec<u8>,
        buffers: &mut PartBuffers,
    ) -> Result<(), PutError> {
        while self.under_way.len() >= CONCURRENCY {
            buffers.give_back(self.one_sent().await?);
        }
        let Some(id) = self.id.clone() else {
            return Err(PutError::Unavailable);
        };
        let number = i32::try_from(self.completed.len() + self.under_way.len() + 1)
            .map_err(|_| PutError::Unavailable)?;
        self.under_way
            .spawn(upload_part(id, number, Bytes::from(part)));
        Ok(())
    }

    /// Waits until every part is stored.
    pub(crate) async fn all_sent(&mut self) -> Result<(), PutError> {
        while !self.under_way.is_empty() {
            self.one_sent().await?;
        }
        Ok(())
    }

    /// Makes the object visible, if this is its checksum. On an error, the upload still exists.
    pub(crate) async fn complete(
        &mut self,
        checksum: &str,
        options: &PutOptions,
    ) -> Result<CompleteMultipartUploadOutput, SdkError<CompleteMultipartUploadError, HttpResponse>>
    {
        let id = self
            .id
            .as_ref()
            .ok_or_else(|| SdkError::construction_failure("the upload has ended".to_owned()))?;
        self.completed.sort_by_key(CompletedPart::part_number);
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(self.completed.clone()))
            .build();
        id.client
            .complete_multipart_upload()
            .bucket(&id.bucket)
            .key(&id.key)
            .upload_id(&id.upload_id)
            .multipart_upload(parts)
            .checksum_type(ChecksumType::FullObject)
            .checksum_crc64_nvme(checksum)
            .set_if_match(options.if_match_header())
            .set_if_none_match(options.if_none_match_header())
            .send()
            .await
    }

    /// Ends an upload that has been completed.
    pub(crate) fn forget(&mut self) {
        self.id = None;
    }

    /// Aborts the upload and waits for S3's response. If S3 is not available, further attempts
    /// follow in the background, on drop.
    pub(crate) async fn abort(&mut self) {
        self.under_way.shutdown().await;
        if let Some(id) = &self.id
            && id.abort().await.is_ok()
        {
            self.id = None;
        }
    }

    async fn one_sent(&mut self) -> Result<Bytes, PutError> {
        match self.under_way.join_next().await {
            Some(Ok(Ok((part, buffer)))) => {
                self.completed.push(part);
                Ok(buffer)
            }
            Some(Ok(Err(error))) => Err(error),
            Some(Err(_)) | None => Err(PutError::Unavailable),
        }
    }
}

impl Drop for MultipartUpload {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let mut under_way = std::mem::take(&mut self.under_way);
        self.runtime.spawn(async move {
            under_way.shutdown().await;
            for pause in ABORT_PAUSES {
                if id.abort().await.is_ok() {
                    return;
                }
                tokio::time::sleep(pause).await;
            }
            tracing::error!("a multipart upload could not be aborted");
        });
    }
}

impl UploadId {
    pub(crate) fn new(vault: &Vault, key: String, upload_id: String) -> Self {
        Self {
            client: vault.s3().clone(),
            bucket: vault.bucket_name().to_owned(),
            key,
            upload_id,
        }
    }

    /// Aborts the upload; false if there is none.
    pub(crate) async fn abort(&self) -> Result<bool, Unavailable> {
        let response = self
            .client
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(&self.key)
            .upload_id(&self.upload_id)
            .send()
            .await;
        match response {
            Ok(_) => Ok(true),
            Err(error) if status(&error) == Some(404) => Ok(false),
            Err(error) => Err(Unavailable::new("AbortMultipartUpload", &error)),
        }
    }
}

impl Vault {
    /// Aborts multipart uploads that began before `before`, and returns how many: uploads whose
    /// process was killed, or whose id was lost with S3's response. An active upload would be lost,
    /// so allow more time than any upload takes. A lifecycle rule does the same, in days. That is the
    /// time for uploads in parts by clients ([`begin_upload`](Self::begin_upload)), which this leaves
    /// alone.
    ///
    /// # Errors
    /// S3 is not available; some uploads may be aborted.
    pub async fn abort_uploads(&self, before: SystemTime) -> Result<usize, Unavailable> {
        let mut aborted = 0;
        let is_abandoned =
            |upload: &ListedUpload| upload.began < before && !may_be_a_clients(&upload.key);
        for upload in self.bucket().uploads("", is_abandoned).await? {
            UploadId::new(self, upload.key, upload.upload_id)
                .abort()
                .await?;
            aborted += 1;
        }
        Ok(aborted)
    }
}

async fn upload_part(
    id: UploadId,
    number: i32,
    part: Bytes,
) -> Result<(CompletedPart, Bytes), PutError> {
    let response = id
        .client
        .upload_part()
        .bucket(id.bucket)
        .key(id.key)
        .upload_id(id.upload_id)
        .part_number(number)
        .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
        .body(ByteStream::from(part.clone()))
        .customize()
        .disable_payload_signing()
        .send()
        .await
        .map_err(|error| not_written("UploadPart", &error))?;
    let completed = CompletedPart::builder()
        .part_number(number)
        .set_e_tag(response.e_tag)
        .set_checksum_crc64_nvme(response.checksum_crc64_nvme)
        .build();
    Ok((completed, part))
}
