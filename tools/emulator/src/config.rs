//! The configuration of an emulator.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

/// The region of everything.
pub(crate) const REGION: &str = "us-east-1";

/// The account that everything belongs to.
pub(crate) const ACCOUNT: &str = "000000000000";

/// S3's limit for one PUT or one part.
const MAX_PUT_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// Where an emulator keeps its data, where it listens, and what it creates.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The folder of all data, created if needed. Only one emulator can use it at a time.
    pub data_dir: PathBuf,
    /// Where S3 listens: a loopback address, port 0 for any free one.
    pub s3_addr: SocketAddr,
    /// Where KMS listens: a loopback address, port 0 for any free one.
    pub kms_addr: SocketAddr,
    /// Buckets to create if they do not exist.
    pub buckets: Vec<BucketConfig>,
    /// Aliases (`alias/…`) to create, each with a new key, if they do not exist.
    pub key_aliases: Vec<String>,
    /// The largest body of one PUT or one part, in bytes; S3's limit is 5 GiB.
    pub max_object_bytes: u64,
}

impl Config {
    /// No buckets or aliases, any free loopback ports, S3's limit.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            data_dir: data_dir.into(),
            s3_addr: loopback,
            kms_addr: loopback,
            buckets: Vec::new(),
            key_aliases: Vec::new(),
            max_object_bytes: MAX_PUT_BYTES,
        }
    }
}

/// A bucket that exists from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketConfig {
    /// Its name, by S3's rules.
    pub name: String,
    /// Enables versioning, also in a bucket that already exists; false leaves an existing bucket as it is.
    pub versioned: bool,
    /// Origins of web pages that may GET and PUT, with any headers. They replace the bucket's CORS
    /// rules at every start; None leaves the rules as they are.
    pub allowed_origins: Option<Vec<String>>,
    /// What goes by itself. It is checked at every start and once an hour.
    pub lifecycle: Lifecycle,
}

/// The lifecycle rules of a bucket; by default, nothing goes.
///
/// A day is 24 hours. AWS waits for the next midnight as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifecycle {
    /// Days after which a replaced or deleted version goes.
    pub noncurrent_days: Option<u32>,
    /// Whether delete markers without other versions go.
    pub expired_markers: bool,
    /// Days after its beginning at which an incomplete multipart upload goes.
    pub upload_days: Option<u32>,
}

impl BucketConfig {
    /// A bucket with versioning.
    pub fn versioned(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            versioned: true,
            allowed_origins: None,
            lifecycle: Lifecycle::default(),
        }
    }

    /// A bucket without versioning.
    pub fn unversioned(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            versioned: false,
            allowed_origins: None,
            lifecycle: Lifecycle::default(),
        }
    }

    /// The same bucket, for web pages of these origins.
    #[must_use]
    pub fn with_allowed_origins(mut self, origins: impl IntoIterator<Item = String>) -> Self {
        self.allowed_origins = Some(origins.into_iter().collect());
        self
    }

    /// The same bucket, with these rules.
    #[must_use]
    pub fn with_lifecycle(mut self, lifecycle: Lifecycle) -> Self {
        self.lifecycle = lifecycle;
        self
    }
}
