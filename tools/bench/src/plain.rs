use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use aws_sdk_s3::{
    Client,
    primitives::ByteStream,
    types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart},
};
use caas_vault::PART_LEN;
use tokio::{
    io::{AsyncRead, AsyncReadExt, ReadBuf},
    task::JoinSet,
};

use crate::Error;

/// Concurrent parts, as many as the vault sends.
pub const CONCURRENCY: usize = 3;

/// A multipart upload of the content, unsealed, with the vault's part length and concurrency.
///
/// # Errors
/// S3 is unavailable, or the content cannot be read.
pub async fn plain_put(
    s3: &Client,
    bucket: &str,
    key: &str,
    mut content: impl AsyncRead + Unpin,
) -> Result<(), Error> {
    let upload = s3.create_multipart_upload().bucket(bucket).key(key);
    let upload = upload.checksum_algorithm(ChecksumAlgorithm::Crc32);
    let upload_id = upload.send().await?.upload_id.ok_or("no upload id")?;
    let mut parts = JoinSet::new();
    let mut completed = Vec::new();
    for number in 1.. {
        let mut part = Vec::with_capacity(PART_LEN);
        let mut next = (&mut content).take(PART_LEN as u64);
        next.read_to_end(&mut part).await?;
        if part.is_empty() {
            break;
        }
        if parts.len() >= CONCURRENCY {
            completed.extend(parts.join_next().await.transpose()?.transpose()?);
        }
        let request = s3.upload_part().bucket(bucket).key(key);
        let request = request
            .upload_id(&upload_id)
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .body(ByteStream::from(part));
        parts.spawn(async move {
            let response = request.send().await?;
            let part = CompletedPart::builder()
                .part_number(number)
                .set_e_tag(response.e_tag)
                .set_checksum_crc32(response.checksum_crc32);
            Ok::<_, Error>(part.build())
        });
    }
    while let Some(part) = parts.join_next().await {
        completed.push(part??);
    }
    completed.sort_by_key(CompletedPart::part_number);
    let parts = CompletedMultipartUpload::builder().set_parts(Some(completed));
    let complete = s3.complete_multipart_upload().bucket(bucket).key(key);
    let complete = complete.upload_id(upload_id);
    complete.multipart_upload(parts.build()).send().await?;
    Ok(())
}

/// This many bytes, generated as they are read.
#[derive(Debug)]
pub struct Source(pub u64);

impl AsyncRead for Source {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let len = self.0.min(buffer.remaining().min(64 << 10) as u64) as usize;
        buffer.initialize_unfilled_to(len).fill(self.0 as u8);
        buffer.advance(len);
        self.0 -= len as u64;
        Poll::Ready(Ok(()))
    }
}
