//! Uploads and downloads files of any size through CaaS, from a program that has an API key and no
//! AWS credentials.
//!
//! The service hands out a presigned request and, unless the file goes through the inbox, the key of
//! one file; sealing and opening happen here, and the bytes travel between here and S3 alone. Memory
//! stays constant whatever the length.
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
//! // copy.mp4 appears when all of it has been verified, and not before.
//! client.download(&uploaded.id, "copy.mp4".as_ref(), |_| {}).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is trusted
//! The service, which makes every key. Not S3, nor the way there: whatever is fetched has to open with
//! the key that the service gave, as a whole, or no file appears.

mod answer;
mod api;
mod client;
mod download;
mod error;
mod http_client;
mod retry;
mod sealed_body;
mod upload;

pub use client::{Client, InvalidClient};
pub use download::Downloaded;
pub use error::{DownloadError, ServiceError, UploadError};
pub use retry::Retries;
pub use upload::{Mode, Upload, Uploaded};

/// How far an upload or a download has come, in bytes of the file. An upload that has to begin again
/// goes back to 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What has been handed to the connection, or received from it.
    pub done: u64,
    /// The file's length.
    pub total: u64,
}
