//! A new API key for a deployment.

use caas_crypto::{ClientName, RandomnessUnavailable};
use zeroize::Zeroizing;

/// A new key for `client`, and what to deploy for it. The key occurs once, and is stored nowhere.
///
/// # Errors
/// The system's random number generator is not available.
pub(crate) fn text(client: &ClientName) -> Result<Zeroizing<String>, RandomnessUnavailable> {
    let key = caas_clients::generate_api_key()?;
    let hash = caas_clients::KeyHash::of(key.as_str());
    Ok(Zeroizing::new(format!(
        "A new API key for {client}. Give it to the client. It is shown only once and not stored:

  {}

Deploy its hash. As the function's variable, alone or after a comma:

  API_KEYS={client}:{hash}

With sam, where DEPLOYED is the list deployed now, because the new list replaces it
(docs/OPERATIONS.md explains how to read it, and how to rotate and revoke keys):

  sam deploy --parameter-overrides \"ApiKeys=$DEPLOYED,{client}:{hash}\"
",
        *key
    )))
}
