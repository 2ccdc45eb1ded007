//! The cryptography of CaaS: byte formats, key handling and sealing.
//!
//! This crate is pure: no I/O, no environment, no clock, no logging. It takes and returns bytes,
//! and asks the system only for randomness.
//!
//! # A file encrypted for one session
//!
//! ```
//! use caas_crypto::session;
//!
//! let (key, encrypted) = session::seal(b"attack at dawn".to_vec())?;
//! assert_eq!(session::open(&key, encrypted)?, b"attack at dawn");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A stored object, its data key wrapped by KMS
//!
//! ```
//! use caas_crypto::{DataKey, stored::{self, EncryptionContext, Header, WrappedKey}};
//!
//! let context = EncryptionContext::for_object("acme/report.pdf");
//! # let kms = || (DataKey::from([7; 32]), WrappedKey::try_from(vec![1; 184]).unwrap());
//! let (data_key, wrapped_key) = kms(); // GenerateDataKey with this context
//! let (header, key) = stored::begin(data_key, wrapped_key, context.clone())?;
//! let body = key.seal(b"a report".to_vec())?;
//! let metadata = header.to_metadata();
//!
//! let pairs = metadata.iter().map(|(name, value)| (*name, value.as_str()));
//! let header = Header::parse(pairs, &context)?; // before any KMS request
//! let (data_key, _) = kms(); // Decrypt with the header's wrapped key and context
//! assert_eq!(header.unlock(&data_key)?.open(body)?, b"a report");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A value under a user's own key
//!
//! ```
//! use caas_crypto::{CipherPool, RecordKey, SaltPool, UserId, UserKeyset};
//!
//! let user = UserId {
//!     client: "acme".parse()?,
//!     user: "0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e11".parse()?,
//! };
//! # let kms = || RecordKey::from([7; 32]);
//! let (ciphers, salts) = (CipherPool::default(), SaltPool::default());
//! let keyset = UserKeyset::default().rotated(&user, &ciphers, &salts, 1_760_000_000)?;
//! let body = keyset.seal(kms(), &user)?; // GenerateDataKey with `user.record_context()`
//!
//! let keyset = UserKeyset::open(&kms(), &user, &body)?; // Decrypt
//! let latest = keyset.latest().expect("one version");
//! let digest = latest.digest(b"078-05-1120");
//! assert!(latest.verify(b"078-05-1120", &digest));
//! let value = latest.seal(b"078-05-1120", b"ssn")?.to_string();
//! assert_eq!(*latest.open(&value.parse()?, b"ssn")?, b"078-05-1120");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # An object larger than memory
//!
//! ```
//! use caas_crypto::{DataKey, stored::{self, EncryptionContext, WrappedKey}};
//!
//! # let kms = || (DataKey::from([7; 32]), WrappedKey::try_from(vec![1; 184]).unwrap());
//! let (data_key, wrapped_key) = kms(); // GenerateDataKey
//! let (header, key) = stored::begin(data_key, wrapped_key, EncryptionContext::for_object("a"))?;
//! let mut sealer = key.into_sealer();
//! let mut body = [b"attack ".to_vec(), b"at dawn".to_vec()];
//! for chunk in &mut body {
//!     sealer.update(chunk)?;
//! }
//! let tag = sealer.finish();
//!
//! let (data_key, _) = kms(); // Decrypt
//! let mut opener = header.unlock(&data_key)?.opener();
//! let mut plaintext = Vec::new(); // not to be used before `finish`
//! for chunk in body.iter().map(Vec::as_slice).chain([&tag[..]]) {
//!     opener.update(chunk, &mut plaintext)?;
//! }
//! opener.finish()?;
//! assert_eq!(plaintext, b"attack at dawn");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client_name;
mod derive;
mod digest;
mod framing;
mod gcm;
mod pool;
pub mod reversible;
mod sample;
mod secret;
pub mod session;
pub mod stored;
mod user_id;
mod user_key;
mod user_keyset;
mod user_record;
mod xaes;

pub use client_name::{ClientName, InvalidClientName};
pub use gcm::{MessageTooLong, NotAuthentic};
pub use pool::{Cipher, CipherPool, InvalidPool, NotInPool, Pool, SaltLength, SaltPool};
pub use secret::{ContentKey, DataKey, InvalidKey, RandomnessUnavailable, RecordKey, UserKey};
pub use user_id::UserId;
pub use user_key::{KeyId, RecordedVersion, UserKeyVersion};
pub use user_keyset::{MAX_VERSIONS, RECORD_FORMAT, RotateError, UserKeyset};
pub use user_record::{InvalidRecord, MAX_RECORD_LEN, RecordContent, UserRecord};
pub use xaes::SealError;
