//! CaaS's access to AWS: SDK clients with time-outs, data keys wrapped by KMS, S3 keys, versioned
//! buckets, presigned requests, and a cache for what was read.

mod aged_cache;
mod clients;
mod endpoints;
mod kms;
mod object_key;
mod off_worker;
mod presigner;
mod put_options;
mod s3_response;
mod versioned_bucket;

pub use aged_cache::{Aged, AgedCache, Clock, Evicted, Moment};
pub use clients::{Clients, ClientsConfig};
pub use kms::{KmsError, KmsKey, PlaintextKey};
pub use object_key::{InvalidObjectKey, MAX_KEY_LEN, ObjectKey};
pub use off_worker::off_worker;
pub use presigner::{PresignedRequest, Presigner};
pub use put_options::{InvalidOption, LengthRefused, PutOptions};
pub use s3_response::{STORAGE_FULL, Unavailable, decode_key, length, status, time};
pub use versioned_bucket::{
    ListedUpload, ListedVersion, NextPage, Version, VersionedBucket, Versions, VersionsPage,
};
