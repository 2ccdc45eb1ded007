//! Administration of API keys: the records in the registry's bucket, written with the operator's
//! own AWS credentials. The service itself can only read them.
//!
//! ```no_run
//! # async fn example(s3: aws_sdk_s3::Client) -> Result<(), caas_keys::KeysError> {
//! use caas_clients::{Scope, Scopes};
//! use caas_keys::{Keys, NewKey};
//!
//! let keys = Keys::new(s3, "caas-clients");
//! let scopes: Scopes = [Scope::FilesWrite].into_iter().collect();
//! let key = keys.add(NewKey::new("acme".parse().expect("a name"), scopes)).await?;
//! println!("{}", *key.text);
//! keys.revoke(&key.hash.to_string()[..12]).await?;
//! # Ok(()) }
//! ```

mod error;
mod keys;
mod stack;

pub use error::KeysError;
pub use keys::{AddedKey, FoundKey, Keys, MIN_PREFIX_LEN, NewKey};
pub use stack::bucket_of_stack;
