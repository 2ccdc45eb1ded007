//! Uploads and downloads files of any size through CaaS, with an API key and without AWS
//! credentials.
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
//! # Trust
//! This crate trusts the service, which generates every key. It trusts neither S3 nor the network:
//! a download must open as a whole with the service's key, or no file appears.

mod api;
mod client;
mod download;
mod error;
mod http_client;
mod response;
mod retry;
mod sealed_body;
mod upload;

pub use client::{Client, InvalidClient};
pub use download::Downloaded;
pub use error::{DownloadError, ServiceError, UploadError};
pub use retry::Retries;
pub use upload::{Mode, Upload, Uploaded};

/// The progress of an upload or download, in bytes of the file. An upload that starts over goes
/// back to 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes handed to the connection, or received from it.
    pub done: u64,
    /// The file's length.
    pub total: u64,
}
