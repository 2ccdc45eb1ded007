//! Which client a key admits, and to what.

use std::{fmt, sync::Arc};

use aws_sdk_s3::Client;
use caas_aws::{Clock, Moment};
use caas_crypto::ClientName;
use caas_http::{Audit, Problem, ProblemKind};
use time::OffsetDateTime;

use crate::{
    ConfiguredKeys, KeyHash, Scope, is_api_key,
    registry::{Entry, Registry, Unknown},
};

/// The accepted API keys: those of the registry, and the configured ones that have no record there.
///
/// | key | requests to S3 |
/// |---|---|
/// | not well formed | none |
/// | used or refused before | none for [`MAX_AGE`](crate::MAX_AGE) |
/// | other | one GetObject |
/// | other, while many keys without a record are tried | none: refused with 503 |
pub struct ApiKeys {
    configured: ConfiguredKeys,
    registry: Option<Registry>,
    clock: Clock,
}

/// None: nobody is admitted.
impl Default for ApiKeys {
    fn default() -> Self {
        Self::new(ConfiguredKeys::default(), None)
    }
}

impl ApiKeys {
    /// These keys and those of the registry in this bucket, if there is one.
    pub fn new(configured: ConfiguredKeys, registry: Option<(Client, String)>) -> Self {
        Self::with_clock(configured, registry, Arc::new(Moment::now))
    }

    /// The same, with another clock.
    pub fn with_clock(
        configured: ConfiguredKeys,
        registry: Option<(Client, String)>,
        clock: Clock,
    ) -> Self {
        let registry = registry.map(|(s3, bucket)| Registry::new(s3, bucket, Arc::clone(&clock)));
        Self {
            configured,
            registry,
            clock,
        }
    }

    /// The client that this key belongs to, if the key has this scope. The audit trail gets the
    /// beginning of the key's hash, and the client even if the key has expired or lacks the scope.
    ///
    /// # Errors
    /// * `unauthorized`: there is no such key, or it has expired or been revoked;
    /// * `missing-scope`: the key lacks the scope;
    /// * `dependency-unavailable`: S3 is not available, or too many unknown keys are being tried.
    pub async fn admit(
        &self,
        key: &[u8],
        scope: Scope,
        audit: &Audit,
    ) -> Result<ClientName, Problem> {
        if !is_api_key(key) {
            return Err(ProblemKind::Unauthorized.into());
        }
        let hash = KeyHash::of(key);
        audit.key(&hash.to_string()[..16]);
        let configured = self.configured.client(&hash);
        let entry = match &self.registry {
            None => Entry::Absent,
            Some(registry) => {
                let entry = registry.find(hash, configured.is_some()).await;
                entry.map_err(unavailable)?
            }
        };
        match (&entry, configured) {
            (Entry::Client { client, .. }, _) | (Entry::Absent, Some(client)) => {
                audit.client(client.as_str());
            }
            (Entry::Absent | Entry::Refused, _) => {}
        }
        match (entry, configured) {
            (Entry::Absent, Some(client)) => Ok(client.clone()),
            (Entry::Absent | Entry::Refused, _) => Err(ProblemKind::Unauthorized.into()),
            (Entry::Client { expires_at, .. }, _) if self.is_past(expires_at) => Err(Problem::new(
                ProblemKind::Unauthorized,
                "The API key has expired. Ask the operator for a new one.",
            )),
            (Entry::Client { client, scopes, .. }, _) if scopes.contains(scope) => Ok(client),
            (Entry::Client { .. }, _) => Err(Problem::new(
                ProblemKind::MissingScope,
                format!("The API key lacks the scope `{scope}`."),
            )),
        }
    }

    fn is_past(&self, time: Option<OffsetDateTime>) -> bool {
        let now = OffsetDateTime::from((self.clock)().wall);
        time.is_some_and(|time| time <= now)
    }
}

fn unavailable(unknown: Unknown) -> Problem {
    match unknown {
        Unknown::Unavailable => ProblemKind::DependencyUnavailable.into(),
        Unknown::Busy => Problem::new(
            ProblemKind::DependencyUnavailable,
            "Too many unknown API keys are being tried, so this key cannot be looked up. Try \
             again.",
        ),
    }
}

/// Without hashes.
impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys").finish_non_exhaustive()
    }
}
