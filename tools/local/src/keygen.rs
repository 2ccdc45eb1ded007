//! A new API key for a deployment.

use caas_crypto::{ClientName, RandomnessUnavailable};
use zeroize::Zeroizing;

/// A new key of `client`, and what to deploy for it. The key is in it once, and is kept nowhere else.
///
/// # Errors
/// The system's random number generator is not available.
pub(crate) fn text(client: &ClientName) -> Result<Zeroizing<String>, RandomnessUnavailable> {
    let key = caas_http::generate_api_key()?;
    let hash = caas_http::hash_api_key(&key);
    Ok(Zeroizing::new(format!(
        "A new API key of {client}. Give it to the client; it is shown this once and kept nowhere:

  {}

What is deployed is its hash. As the function's variable, alone or after a comma:

  API_KEYS={client}:{hash}

With sam, where DEPLOYED is the list that is deployed now, since the new list replaces it
(docs/OPERATIONS.md says how to read it, and how to rotate and revoke keys):

  sam deploy --parameter-overrides \"ApiKeys=$DEPLOYED,{client}:{hash}\"
",
        *key
    )))
}
