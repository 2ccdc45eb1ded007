//! The vault: files sealed in S3, each under its own data key, which KMS wraps.
//!
//! The crate can be used by itself: given S3 and KMS, it stores files of any size, each encrypted
//! under its own AES-256 key, in the format of the Amazon S3 Encryption Client, version 3. AWS's
//! clients for other languages open its objects, and it opens theirs.
//!
//! ```no_run
//! use caas_aws::{ClientsConfig, KmsKey, ObjectKey, PutOptions};
//! use caas_vault::Vault;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let clients = ClientsConfig::default().connect().await; // AWS itself
//! let key = KmsKey::new(clients.kms, "alias/my-key");
//! let vault = Vault::new(clients.s3, "my-bucket", key);
//!
//! // Keys have a client, the tenant, and a path.
//! let name = ObjectKey::parse("acme/reports/2026/a.pdf")?;
//! let options = PutOptions::default().content_type("application/pdf")?.if_absent();
//! vault.put(&name, b"in memory".to_vec(), &options).await?;
//!
//! // Of any length, in constant memory:
//! let file = tokio::fs::File::open("a.pdf").await?;
//! vault.put_reader(&name, file, &PutOptions::default()).await?;
//!
//! // Nothing is released before all of it has been verified:
//! let opened = vault.get(&name, 1 << 20).await?; // at most 1 MiB, in memory
//! vault.get_to_file(&name, "copy.pdf".as_ref()).await?; // or any length, in a file
//! # drop(opened);
//! # Ok(())
//! # }
//! ```
//!
//! The objects of other programs, at any key and under any encryption context, are read and written
//! with an [`ObjectAddress`]: [`Vault::open_at`] and [`Vault::put_at`].
//!
//! A client may also seal and open files itself, with a presigned request and the key of one
//! object: [`Vault::grant_upload`] and [`Vault::grant_download`]. It can send a file in parts, in
//! any order and over days: [`Vault::begin_upload`].
//!
//! IAM: `kms:GenerateDataKey` and `kms:Decrypt` on the key; `s3:PutObject`, `s3:GetObject`,
//! `s3:GetObjectVersion` (for [`Vault::grant_download`]), `s3:ListBucket` (without it, S3 returns
//! 403 for an absent file), `s3:DeleteObject`, `s3:ListBucketVersions` and `s3:DeleteObjectVersion`
//! (for [`Vault::purge`]), `s3:ListMultipartUploadParts` (for [`Vault::complete_upload`]), and
//! `s3:AbortMultipartUpload` (with `s3:ListBucketMultipartUploads` for [`Vault::abort_uploads`] and
//! [`Vault::abort_uploads_to`]). Give the bucket a lifecycle rule that aborts incomplete multipart
//! uploads: the vault aborts its own, but not after its process is killed.
//!
//! Build with link-time optimisation (`lto = "thin"` or `"fat"`) in the release profile: AES-GCM
//! spans several crates and runs several times slower if it is not inlined.

mod checked;
mod error;
mod get;
mod grant;
mod list;
mod multipart;
mod object_address;
mod object_info;
mod part;
mod put;
mod settings;
mod upload;
mod upload_key;
mod upload_token;
mod vault;

pub use error::{GetError, PutError};
pub use get::Opened;
pub use grant::{DownloadGrant, UploadGrant};
pub use list::{InvalidCursor, ListError, ListedFile, Page};
pub use object_address::ObjectAddress;
pub use object_info::ObjectInfo;
pub use part::{InvalidLayout, MAX_PUT_BYTES, PART_LEN, PartLayout};
pub use put::Stored;
pub use settings::VaultSettings;
pub use upload::{HeldPart, PartETag, PartsGrant, UploadError};
pub use upload_key::UploadKey;
pub use upload_token::{InvalidUploadToken, UploadToken};
pub use vault::Vault;
