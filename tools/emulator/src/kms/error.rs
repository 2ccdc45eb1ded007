//! KMS errors, by the names that clients match on.

use std::io;

use http::StatusCode;

/// Why KMS refuses a request. Names and statuses are those of the API reference.
#[derive(Debug, thiserror::Error)]
pub(super) enum KmsError {
    #[error("Alias already exists")]
    AlreadyExists,
    #[error("The key is disabled")]
    Disabled,
    /// A wrong context, a changed or a foreign ciphertext: KMS does not say which.
    #[error("")]
    InvalidCiphertext,
    #[error("The alias name is not valid")]
    InvalidAliasName,
    #[error("The key ID in the request does not identify a CMK that can perform this operation")]
    IncorrectKey,
    #[error("The key state is not valid for this operation: {0}")]
    InvalidState(&'static str),
    #[error("Invalid keyId {0}")]
    NotFound(String),
    #[error("{0}")]
    Validation(String),
    #[error("{0}")]
    Serialization(&'static str),
    #[error("This emulator does not have the operation")]
    UnknownOperation,
    #[error("{0}")]
    UnsupportedOperation(&'static str),
    #[error("Missing Authentication Token")]
    MissingAuthentication,
    #[error("{0}")]
    IncompleteSignature(&'static str),
    #[error("The security token included in the request is invalid.")]
    UnknownClient,
    #[error("{0}")]
    InvalidSignature(&'static str),
    /// The client sees no detail.
    #[error("internal failure")]
    Internal(#[from] io::Error),
}

impl KmsError {
    /// Something in the request would change what it does, and is not emulated.
    pub(super) const UNSUPPORTED_MEMBER: Self =
        Self::UnsupportedOperation("A parameter of this request is not emulated");

    pub(super) fn serialization() -> Self {
        Self::Serialization("The request is not valid JSON for this operation")
    }

    /// The `__type`.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::AlreadyExists => "AlreadyExistsException",
            Self::Disabled => "DisabledException",
            Self::InvalidCiphertext => "InvalidCiphertextException",
            Self::InvalidAliasName => "InvalidAliasNameException",
            Self::IncorrectKey => "IncorrectKeyException",
            Self::InvalidState(_) => "KMSInvalidStateException",
            Self::NotFound(_) => "NotFoundException",
            Self::Validation(_) => "ValidationException",
            Self::Serialization(_) => "SerializationException",
            Self::UnknownOperation => "UnknownOperationException",
            Self::UnsupportedOperation(_) => "UnsupportedOperationException",
            Self::MissingAuthentication => "MissingAuthenticationTokenException",
            Self::IncompleteSignature(_) => "IncompleteSignatureException",
            Self::UnknownClient => "UnrecognizedClientException",
            Self::InvalidSignature(_) => "InvalidSignatureException",
            Self::Internal(_) => "KMSInternalException",
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}
