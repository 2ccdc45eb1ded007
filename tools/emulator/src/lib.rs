//! S3 and KMS on loopback, durable on disk.
//!
//! Programs that use the AWS SDK run against it unchanged: S3 and KMS are real HTTP endpoints with
//! AWS's protocol, signatures and semantics. Data survives restarts and crashes: every acknowledged
//! write is still there after a kill, and nothing half-written is ever visible.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use caas_emulator::{BucketConfig, Config, Emulator};
//!
//! let folder = tempfile::tempdir()?;
//! let mut config = Config::new(folder.path());
//! config.buckets.push(BucketConfig::versioned("vault"));
//! config.key_aliases.push("alias/files".to_owned());
//! let emulator = Emulator::start(config).await?;
//!
//! println!("AWS_ENDPOINT_URL_S3={}", emulator.s3_url());
//! println!("AWS_ENDPOINT_URL_KMS={}", emulator.kms_url());
//! println!("AWS_ACCESS_KEY_ID={}", emulator.access_key_id());
//! assert!(emulator.key_arn("alias/files").is_some());
//!
//! emulator.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What is checked
//! - S3: every request must be signed (Signature Version 4, in headers or presigned). Signatures,
//!   expiry, payload hashes and checksums are verified in full. Clients use path-style addressing.
//! - KMS: Signature Version 4 in headers, with the hash of the body.
//! - One identity may do everything; IAM policies are not emulated.
//! - What is not emulated and would change a result is refused. `docs/guide/local-aws.md` lists where the
//!   emulator differs from AWS.
//!
//! # What is not encrypted
//! Objects are stored as they were sent, readable by this user only. The header
//! `x-amz-server-side-encryption: AES256` is accepted and returned, but has no effect.
//!
//! # Logs
//! I/O errors are logged with their cause. This crate never logs a key or a secret. `s3s` logs each refusal as an error,
//! and paths with object keys at `debug`: filter with `s3s=off`.

mod calls;
mod config;
mod credentials;
mod disk;
mod emulator;
mod folder_lock;
mod kms;
mod random;
mod s3;
mod store;

pub use calls::{Calls, KmsRequest};
pub use config::{BucketConfig, Config, Lifecycle};
pub use emulator::{Emulator, StartError};
pub use store::ObjectCreated;
