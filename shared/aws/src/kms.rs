//! Data keys: made and unwrapped by KMS, bound to an encryption context.

use std::fmt;

use aws_sdk_kms::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::decrypt::DecryptError,
    primitives::Blob,
    types::DataKeySpec,
};
use zeroize::Zeroizing;

use crate::s3_response::no_response;

/// The bytes of a 256-bit key, at one place on the heap and wiped on drop.
pub type PlaintextKey = Box<Zeroizing<[u8; 32]>>;

/// One KMS key that wraps data keys.
#[derive(Clone)]
pub struct KmsKey {
    client: Client,
    /// `None` for whichever key wrapped what is unwrapped.
    key_id: Option<String>,
}

impl KmsKey {
    /// The key with this id, ARN or alias.
    pub fn new(client: Client, key_id: impl Into<String>) -> Self {
        Self {
            client,
            key_id: Some(key_id.into()),
        }
    }

    /// Whichever key wrapped what is unwrapped: it generates nothing. With a key's name, a wrapped
    /// key of another account is refused.
    pub fn any(client: Client) -> Self {
        Self {
            client,
            key_id: None,
        }
    }

    /// Makes a new 256-bit key and its wrapped form, which opens only with exactly this context.
    /// One KMS `GenerateDataKey`.
    ///
    /// # Errors
    /// KMS is not available, or does not return a key.
    pub async fn generate<'c>(
        &self,
        context: impl IntoIterator<Item = (&'c str, &'c str)>,
    ) -> Result<(PlaintextKey, Vec<u8>), KmsError> {
        let request = self.client.generate_data_key();
        let request = request.set_key_id(self.key_id.clone());
        let request = request.key_spec(DataKeySpec::Aes256);
        let request = context.into_iter().fold(request, |request, (name, value)| {
            request.encryption_context(name, value)
        });
        let answer = request.send().await.map_err(|error| {
            tracing::warn!(cause = cause(&error), "KMS GenerateDataKey failed");
            KmsError::Unavailable
        })?;
        let wrapped = answer.ciphertext_blob.ok_or(KmsError::Unavailable)?;
        Ok((plaintext(answer.plaintext)?, wrapped.into_inner()))
    }

    /// Unwraps a key that [`generate`](Self::generate) wrapped with this context. One KMS
    /// `Decrypt`.
    ///
    /// # Errors
    /// The wrapped key was changed, was wrapped with another context or by another KMS key, or is
    /// not 256 bits long; or KMS is not available.
    pub async fn unwrap<'c>(
        &self,
        wrapped: &[u8],
        context: impl IntoIterator<Item = (&'c str, &'c str)>,
    ) -> Result<PlaintextKey, KmsError> {
        let request = self.client.decrypt().set_key_id(self.key_id.clone());
        let request = request.ciphertext_blob(Blob::new(wrapped));
        let request = context.into_iter().fold(request, |request, (name, value)| {
            request.encryption_context(name, value)
        });
        let response = request.send().await;
        let answer = response.map_err(|error| match error.as_service_error() {
            Some(
                DecryptError::InvalidCiphertextException(_)
                | DecryptError::IncorrectKeyException(_),
            ) => KmsError::NotAuthentic,
            _ => {
                tracing::warn!(cause = cause(&error), "KMS Decrypt failed");
                KmsError::Unavailable
            }
        })?;
        // Whoever may call KMS has wrapped something else under this context: no retry mends it.
        plaintext(answer.plaintext).map_err(|_| KmsError::NotAuthentic)
    }
}

impl fmt::Debug for KmsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KmsKey")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

fn plaintext(blob: Option<Blob>) -> Result<PlaintextKey, KmsError> {
    let bytes = Zeroizing::new(blob.map(Blob::into_inner).unwrap_or_default());
    let bytes: &[u8; 32] = bytes
        .as_slice()
        .try_into()
        .map_err(|_| KmsError::Unavailable)?;
    let mut key = PlaintextKey::default();
    key.copy_from_slice(bytes);
    Ok(key)
}

/// The cause in our own words, never the SDK's text. An alarm counts `throttled`.
fn cause<E: ProvideErrorMetadata>(error: &SdkError<E>) -> &'static str {
    let Some(refusal) = error.as_service_error() else {
        return no_response(error);
    };
    match refusal.code() {
        Some("DisabledException") => "key disabled",
        Some("KMSInvalidStateException") => "key not usable",
        Some("NotFoundException") => "key not found",
        Some("ThrottlingException") => "throttled",
        _ => "refused",
    }
}

/// Why there is no data key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KmsError {
    /// The wrapped key does not open, whatever the cause.
    #[error("the wrapped key does not open")]
    NotAuthentic,
    /// KMS is down, throttles, or refuses to use the key. Retrying later may help.
    #[error("KMS is not available")]
    Unavailable,
}

#[cfg(test)]
mod tests {
    use aws_sdk_kms::{config::http::HttpResponse, error::ErrorMetadata};
    use aws_sdk_s3::primitives::SdkBody;

    use super::*;

    #[test]
    fn causes_are_told_apart() {
        for (code, expected) in [
            ("DisabledException", "key disabled"),
            ("KMSInvalidStateException", "key not usable"),
            ("NotFoundException", "key not found"),
            ("ThrottlingException", "throttled"),
            ("Other", "refused"),
        ] {
            let error = ErrorMetadata::builder().code(code).build();
            let response = HttpResponse::new(400.try_into().unwrap(), SdkBody::empty());
            let error = SdkError::service_error(DecryptError::generic(error), response);
            assert_eq!(cause(&error), expected);
        }
    }
}
