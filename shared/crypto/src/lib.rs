//! The cryptography of CaaS: byte formats, key handling and sealing.
//!
//! This crate is pure: no I/O, environment, clock or logging. Bytes go in, bytes come out; the one
//! thing it asks the system for is randomness.
//!
//! # A file encrypted for one session
//!
//! ```
//! use caas_crypto::session;
//!
//! let (key, encrypted) = session::seal(b"attack at dawn")?;
//! assert_eq!(session::open(&key, encrypted)?, b"attack at dawn");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # An object stored for years, its key wrapped by KMS
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
//! let header = Header::parse(pairs, &context)?; // refuses before KMS is asked
//! let (data_key, _) = kms(); // Decrypt with the header's wrapped key and context
//! assert_eq!(header.unlock(&data_key)?.open(body)?, b"a report");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A message that does not fit into memory
//!
//! ```
//! use caas_crypto::{ContentKey, gcm};
//!
//! let key = ContentKey::generate()?;
//! let nonce = [7; gcm::NONCE_LEN]; // never again with this key
//! let mut sealer = gcm::StreamSealer::new(&key, &nonce, b"");
//! let mut chunks = [b"attack ".to_vec(), b"at dawn".to_vec()];
//! for chunk in &mut chunks {
//!     sealer.update(chunk)?;
//! }
//! let tag = sealer.finish();
//! # let mut whole = chunks.concat();
//! # gcm::open(&key, &nonce, b"", &mut whole, &tag)?;
//! # assert_eq!(whole, b"attack at dawn");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client_name;
mod derive;
pub mod gcm;
mod pool;
mod secret;
pub mod session;
pub mod stored;

pub use client_name::{ClientName, InvalidClientName};
pub use pool::{Cipher, CipherPool, InvalidPool, NotInPool, Pool, SaltLength, SaltPool};
pub use secret::{ContentKey, DataKey, InvalidKey, RandomnessUnavailable};
