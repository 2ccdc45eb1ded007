//! KMS and S3 as CaaS uses them.

mod kms;

pub use kms::{KmsError, KmsKey, PlaintextKey};
