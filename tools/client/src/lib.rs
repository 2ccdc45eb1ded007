//! Speaks with CaaS: uploads and downloads files of any size, and encrypts users' values, with an API
//! key and without AWS credentials.
//!
//! The service returns a presigned request and, except in inbox mode, the key of one file. This
//! crate seals or opens the file, and exchanges the bytes with S3 directly, in constant memory.
//!
//! ```no_run
//! use caas_client::{Client, Mode, Upload};
//!
//! # async fn example(api_key: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new("https://caas.example.com/Prod", api_key)?;
//!
//! let upload = Upload::new("film.mp4", Mode::Client).content_type("video/mp4");
//! let uploaded = client
//!     .upload(&upload, |progress| println!("{} of {}", progress.done, progress.total))
//!     .await?;
//!
//! // copy.mp4 appears only once all of it has been verified.
//! client.download(&uploaded.id, "copy.mp4".as_ref(), |_| {}).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Large files
//! In mode [`Client`](Mode::Client), files above 64 MiB are sent in parts of 8 MiB, four at a time,
//! each with its own retries, in less than 64 MiB of memory. With [`Upload::resume_in`] an upload goes
//! on after a crash, and [`Client::resume_download`] does the same for downloads:
//!
//! ```no_run
//! # use caas_client::{Client, Mode, Upload};
//! # async fn example(client: Client) -> Result<(), Box<dyn std::error::Error>> {
//! let upload = Upload::new("film.mp4", Mode::Client).resume_in("journals");
//! let uploaded = client.upload(&upload, |_| {}).await?;
//! client.resume_download(&uploaded.id, "copy.mp4".as_ref(), |_| {}).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Key and IV of an upload are fixed, and two ciphertexts under them would give away both. So the
//! SHA-256 of each part is in a journal, on the disk, before a byte of the part leaves. After a restart
//! the file is read and sealed again from its beginning, and each part is compared with its digest. A
//! difference, a missing record or a damaged journal ends the upload, and a new one begins with a new
//! key. The journal contains no key and no state of the cipher; the service returns the key again.
//! Within one run, a part that is retried is sent from memory.
//!
//! # Trust
//! This crate trusts the service, which generates every key. It trusts neither S3 nor the network:
//! a download must open as a whole with the service's key, or no file appears.

mod abandoned;
mod api;
mod client;
mod download;
mod error;
mod files;
mod http_client;
mod journal;
mod part_file;
mod part_layout;
mod part_transfer;
mod part_upload;
mod response;
mod resumed_download;
mod retry;
mod sealed_body;
mod sealed_parts;
mod source;
mod spool;
mod upload;
mod upload_in_parts;
mod users;
mod values;

pub use api::Response;
pub use client::{Client, InvalidClient};
pub use download::Downloaded;
pub use error::{DownloadError, ServiceError, UploadError};
pub use files::{FileInfo, FilePage, ListedFile};
pub use retry::Retries;
pub use spool::Spool;
pub use upload::{Mode, Upload, Uploaded};
pub use users::{KeyVersion, Receipt};
pub use values::Datum;

/// The progress of an upload or download, in bytes of the file. An upload that starts over goes
/// back to 0, and one in parts goes back by what was sent of a part that is sent again. What a resumed
/// transfer has already counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes sealed so far by an upload in parts, which seals ahead of what it sends. In other
    /// transfers the same as `done`.
    pub sealed: u64,
    /// Bytes handed to the connection, or received from it.
    pub done: u64,
    /// The file's length.
    pub total: u64,
}

impl Progress {
    /// The progress of a transfer that seals or opens what it moves.
    fn of(done: u64, total: u64) -> Self {
        Self {
            sealed: done,
            done,
            total,
        }
    }
}
