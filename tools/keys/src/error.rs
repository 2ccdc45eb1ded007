//! What can go wrong.

use std::error::Error;

use caas_crypto::RandomnessUnavailable;

/// An operation on keys failed. Nothing was changed, unless it says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// No record of the registry has this hash.
    #[error("no API key in the registry has this hash; `list` shows all")]
    NotFound,
    /// Several records have hashes that begin with these digits.
    #[error("{0} API keys have hashes that begin with these digits; give more")]
    Ambiguous(usize),
    /// Neither an API key nor the beginning of a hash.
    #[error(
        "neither an API key nor at least {} hex digits of its hash",
        crate::MIN_PREFIX_LEN
    )]
    NotAKey,
    /// The record is malformed.
    #[error("the record {0} is unreadable and admits nobody; create another key with `new`")]
    Unreadable(String),
    /// The note is too long.
    #[error("the note has more than {} bytes", caas_clients::MAX_NOTE_LEN)]
    LongNote,
    /// The record was changed concurrently.
    #[error("the record was changed concurrently; check it and try again")]
    Conflict,
    /// The operator's role may not write.
    #[error(
        "these AWS credentials lack permission; the stack's parameter KeyAdministratorArn names the \
         role that may write keys"
    )]
    Forbidden,
    /// The stack has no such output.
    #[error("the stack {stack} has no output {output}; is it the right one, and up to date?")]
    NoBucket {
        /// The stack.
        stack: String,
        /// The output.
        output: &'static str,
    },
    /// The system's random number generator is not available.
    #[error(transparent)]
    Randomness(#[from] RandomnessUnavailable),
    /// A request to AWS failed.
    #[error("{operation} failed")]
    Aws {
        /// The operation.
        operation: &'static str,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
}
