//! Uploads in parts by clients, who seal and send the parts themselves: the service begins the
//! upload, signs requests for its parts, and completes it.

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    types::{CompletedMultipartUpload, CompletedPart},
};
use caas_aws::{
    KmsError, ListedUpload, ObjectKey, PresignedRequest, Presigner, PutOptions, Unavailable,
};
use caas_crypto::{DataKey, stored::Grant};
use md5::{Digest, Md5};

use crate::{
    ObjectInfo, PartLayout, PutError, UploadKey, UploadToken, Vault,
    error::{is_precondition, not_written},
    multipart::UploadId,
    object_info::metadata,
};

/// What a client needs to seal a file and to send it in parts.
#[derive(Debug)]
pub struct PartsGrant {
    /// Names the upload.
    pub token: UploadToken,
    /// Seals the file.
    pub encryption: Grant,
}

/// A part that S3 holds of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldPart {
    /// Its number, from 1.
    pub number: u16,
    /// Its length in bytes.
    pub size: u64,
}

/// The ETag of a part: the MD5 of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartETag([u8; 16]);

impl PartETag {
    /// Parses an ETag as S3 returns it for a part: 32 hexadecimal digits in lower case, in quotes.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('"')?.strip_suffix('"')?;
        let mut md5 = [0; 16];
        hex::decode_to_slice(digits, &mut md5).ok()?;
        (hex::encode(md5) == digits).then_some(Self(md5))
    }
}

/// Why an upload cannot continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// There is no such upload: it was completed or aborted, it expired, or it never began.
    #[error("there is no such upload")]
    NotFound,
    /// S3 does not hold this part, or holds one of another length.
    #[error("part {number} is missing or has another length")]
    Incomplete {
        /// The part's number.
        number: u16,
    },
    /// S3 holds parts other than those named, or completed the upload with others.
    #[error("a part is not the one that was named")]
    OtherParts,
    /// Another object is at the key.
    #[error("another file is there")]
    OtherFile,
    /// The token does not belong to its object: its data key does not open.
    #[error("the token's key does not open")]
    NotAuthentic,
    /// KMS or S3 is down, throttles, times out or denies access, or S3 has not finished. Retrying
    /// later may help.
    #[error("KMS or S3 is not available")]
    Unavailable,
}

impl From<Unavailable> for UploadError {
    fn from(Unavailable: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl Vault {
    /// Begins an upload in parts. One GenerateDataKey, one CreateMultipartUpload.
    ///
    /// The key is new and used for this object only. The upload lives until it is completed or
    /// aborted, its file is deleted, or the bucket's lifecycle removes it.
    ///
    /// # Errors
    /// See [`PutError`].
    pub async fn begin_upload(
        &self,
        key: UploadKey,
        layout: PartLayout,
        options: &PutOptions,
    ) -> Result<PartsGrant, PutError> {
        options.admit_whole(layout.size())?;
        let (header, sealing_key, _) = self.begin(&key.object_key().into()).await?;
        // If no checksum is named, S3 accepts parts without one, and computes its own.
        let created = self
            .s3()
            .create_multipart_upload()
            .bucket(self.bucket_name())
            .key(key.object_key().as_str())
            .set_content_type(options.content_type_header())
            .set_metadata(Some(metadata(&header, options)))
            .send()
            .await
            .map_err(|error| not_written("CreateMultipartUpload", &error))?;
        Ok(PartsGrant {
            token: UploadToken {
                upload_id: created.upload_id.ok_or(Unavailable)?,
                key,
                layout,
                header,
            },
            encryption: sealing_key.into_grant(),
        })
    }

    /// The parts that S3 holds among the `count` parts starting with `from`. One ListParts per
    /// 1,000.
    ///
    /// # Errors
    /// There is no such upload, or S3 is not available.
    pub async fn held_parts(
        &self,
        token: &UploadToken,
        from: u16,
        count: u16,
    ) -> Result<Vec<HeldPart>, UploadError> {
        let end = u32::from(from) + u32::from(count);
        let mut marker = from.saturating_sub(1).to_string();
        let mut held = Vec::new();
        loop {
            let page = self
                .s3()
                .list_parts()
                .bucket(self.bucket_name())
                .key(token.key().as_str())
                .upload_id(&token.upload_id)
                .part_number_marker(marker)
                .max_parts(count.min(1_000).into())
                .send()
                .await
                .map_err(|error| not_listed(&error))?;
            let parts = page.parts().iter().filter_map(|part| {
                Some(HeldPart {
                    number: part.part_number()?.try_into().ok()?,
                    size: part.size()?.try_into().ok()?,
                })
            });
            held.extend(parts.filter(|part| u32::from(part.number) < end));
            let is_before_end = |next: &String| next.parse().is_ok_and(|next: u32| next + 1 < end);
            match page.next_part_number_marker {
                Some(next) if page.is_truncated == Some(true) && is_before_end(&next) => {
                    marker = next;
                }
                _ => return Ok(held),
            }
        }
    }

    /// Returns the grant of an upload again. One Decrypt. It does not check whether the upload
    /// exists: call [`held_parts`](Self::held_parts) first.
    ///
    /// # Errors
    /// The token's key does not open, or KMS is not available.
    pub async fn resume_upload(&self, token: &UploadToken) -> Result<Grant, UploadError> {
        let header = &token.header;
        let context = header.encryption_context().pairs();
        let data_key = self.key.unwrap(header.wrapped_key().as_bytes(), context);
        let data_key = data_key.await.map_err(|error| match error {
            KmsError::NotAuthentic => UploadError::NotAuthentic,
            KmsError::Unavailable => UploadError::Unavailable,
        })?;
        let opening_key = header.unlock(&DataKey::from(data_key));
        let opening_key = opening_key.map_err(|_| UploadError::NotAuthentic)?;
        Ok(opening_key.into_grant())
    }

    /// Signs a request that stores one part of `len` bytes, with this MD5 (in base64) if given.
    /// Sends nothing.
    ///
    /// # Errors
    /// There are no credentials.
    pub async fn grant_part(
        &self,
        token: &UploadToken,
        (number, len): (u16, u64),
        content_md5: Option<&str>,
        presigner: &Presigner,
    ) -> Result<PresignedRequest, Unavailable> {
        let (bucket, part) = (self.bucket_name(), (token.upload_id.as_str(), number));
        let request = presigner.part(bucket, token.key(), part, len, content_md5);
        request.await
    }

    /// Completes an upload with the parts that have these ETags, starting with part 1, if S3 holds
    /// all of them with the right lengths and no file is there. It is safe to repeat: what is
    /// stored decides whether the upload is complete, not S3's response, which can be lost, an
    /// error in a 200, or too late.
    ///
    /// # Errors
    /// See [`UploadError`]. After [`Unavailable`](UploadError::Unavailable) the file may be stored.
    pub async fn complete_upload(
        &self,
        token: &UploadToken,
        e_tags: &[PartETag],
    ) -> Result<ObjectInfo, UploadError> {
        let undecided = match self.assemble(token, e_tags).await {
            Ok(()) => UploadError::NotFound,
            Err(error @ (UploadError::NotFound | UploadError::Unavailable)) => error,
            Err(error) => return Err(error),
        };
        match self.head(token.key()).await? {
            None => Err(undecided),
            Some(info) if info.header(token.key()).as_ref() != Ok(&token.header) => {
                Err(UploadError::OtherFile)
            }
            Some(info) if info.e_tag != object_e_tag(e_tags) => Err(UploadError::OtherParts),
            Some(info) => Ok(info),
        }
    }

    /// Checks the parts, and has S3 assemble them.
    async fn assemble(&self, token: &UploadToken, e_tags: &[PartETag]) -> Result<(), UploadError> {
        let layout = token.layout;
        let held = self.held_parts(token, 1, layout.count()).await?;
        let mut held = held.iter().map(|part| (part.number, part.size));
        for part in layout.parts() {
            if held.next() != Some(part) {
                return Err(UploadError::Incomplete { number: part.0 });
            }
        }
        let parts = (1..).zip(e_tags).map(|(number, PartETag(md5))| {
            let part = CompletedPart::builder().part_number(number);
            part.e_tag(format!("\"{}\"", hex::encode(md5))).build()
        });
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.collect()));
        let completed = self
            .s3()
            .complete_multipart_upload()
            .bucket(self.bucket_name())
            .key(token.key().as_str())
            .upload_id(&token.upload_id)
            .multipart_upload(parts.build())
            .if_none_match("*")
            .send()
            .await;
        match completed {
            Ok(_) => Ok(()),
            Err(error) => Err(match error.code() {
                Some("InvalidPart") => UploadError::OtherParts,
                Some("NoSuchUpload") => UploadError::NotFound,
                // A concurrent request may be completing it.
                _ if is_precondition(&error) => UploadError::Unavailable,
                _ => Unavailable::new("CompleteMultipartUpload", &error).into(),
            }),
        }
    }

    /// Aborts an upload; false if there is none.
    ///
    /// # Errors
    /// S3 is not available.
    pub async fn abort_upload(&self, token: &UploadToken) -> Result<bool, Unavailable> {
        let key = token.key().as_str().to_owned();
        UploadId::new(self, key, token.upload_id.clone())
            .abort()
            .await
    }

    /// Aborts a client's uploads in parts to this key, and returns how many there were. One
    /// ListMultipartUploads, or none if the key is not an [`UploadKey`].
    ///
    /// # Errors
    /// S3 is not available.
    pub async fn abort_uploads_to(&self, key: &ObjectKey) -> Result<usize, Unavailable> {
        if UploadKey::of(key.clone()).is_none() {
            return Ok(0);
        }
        let mut aborted = 0;
        let is_of_it = |upload: &ListedUpload| upload.key == key.as_str();
        for upload in self.bucket().uploads(key.as_str(), is_of_it).await? {
            let id = UploadId::new(self, upload.key, upload.upload_id);
            aborted += usize::from(id.abort().await?);
        }
        Ok(aborted)
    }
}

/// Whether an upload to this key may be a client's, which the sweep does not abort.
pub(crate) fn may_be_a_clients(key: &str) -> bool {
    let key = ObjectKey::parse(key).ok();
    key.is_some_and(|key| UploadKey::of(key).is_some())
}

/// The ETag that S3 gives an object of these parts: the MD5 of their MD5s, and their number.
fn object_e_tag(e_tags: &[PartETag]) -> String {
    let md5s: Vec<_> = e_tags.iter().flat_map(|PartETag(md5)| *md5).collect();
    format!("\"{}-{}\"", hex::encode(Md5::digest(md5s)), e_tags.len())
}

fn not_listed<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> UploadError {
    match error.code() {
        Some("NoSuchUpload") => UploadError::NotFound,
        _ => Unavailable::new("ListParts", error).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_tags_are_those_of_s3() {
        let of = |text: &str| PartETag::parse(text);
        let (part, end) = (
            // md5 of 5 MiB of `x`, and of `end`: the parts of the emulator's test.
            of(&format!(
                "\"{}\"",
                hex::encode(Md5::digest(vec![b'x'; 5 << 20]))
            ))
            .unwrap(),
            of(&format!("\"{}\"", hex::encode(Md5::digest(b"end")))).unwrap(),
        );
        // md5(md5(part 1) ‖ md5(part 2)), as computed by Python's hashlib.
        let expected = "\"6d7c5fbffce55b2eb513ca823d7235b2-2\"";
        assert_eq!(object_e_tag(&[part, end]), expected);
        let digits = "6d7c5fbffce55b2eb513ca823d7235b2";
        for refused in [
            digits,
            "",
            "\"",
            "\"\"",
            &format!("\"{}\"", &digits[1..]),
            &format!("\"{}\"", digits.to_uppercase()),
            &format!("\"{digits}-2\""),
            &format!("W/\"{digits}\""),
        ] {
            assert_eq!(of(refused), None, "{refused}");
        }
    }
}
