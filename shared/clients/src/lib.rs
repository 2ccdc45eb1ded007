//! Who may call: API keys, the clients they belong to, and what each may do.
//!
//! The setting `API_KEYS` lists a few keys with every scope. The registry, a bucket with one
//! [`ClientRecord`] for each key, has any number of them, with [`Scopes`] and an expiry. Handlers
//! extract [`Caller`] or [`AuthenticatedJson`]; [`ROUTES`] lists the scope that each route
//! requires.

mod api_key;
mod api_keys;
mod caller;
mod configured_keys;
mod key_hash;
mod presented_key;
mod record;
mod registry;
mod scope;
mod settings;

pub use api_key::{generate_api_key, is_api_key};
pub use api_keys::ApiKeys;
pub use caller::{AuthenticatedJson, Caller};
pub use configured_keys::{ConfiguredKeys, InvalidApiKeys};
pub use key_hash::{InvalidKeyHash, KeyHash};
pub use record::{ClientRecord, InvalidRecord, MAX_NOTE_LEN, MAX_RECORD_LEN};
pub use registry::{CONCURRENT_READS, MAX_AGE, MISSES_PER_SECOND};
pub use scope::{InvalidScope, ROUTES, Route, Scope, Scopes};
pub use settings::ApiKeySettings;
