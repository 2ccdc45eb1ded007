//! What the handlers share: who calls, the vault, and how its failures become problems.

use std::time::Duration;

use caas_aws::{Clients, ObjectKey, Presigner, Unavailable, VersionedBucket};
use caas_crypto::ClientName;
use caas_http::{Problem, ProblemKind};
use caas_vault::{GetError, PutError, Vault};
use http::HeaderMap;

use crate::Config;

/// What a request may wait for KMS and S3 altogether: less than API Gateway waits for us.
const DEADLINE: Duration = Duration::from_secs(20);

/// The function's configuration and its connections.
#[derive(Debug)]
pub struct Service {
    pub(crate) config: Config,
    pub(crate) vault: Vault,
    pub(crate) inbox: Option<VersionedBucket>,
    pub(crate) presigner: Presigner,
}

impl Service {
    /// The service with this configuration, on these connections.
    pub fn new(config: Config, clients: Clients) -> Self {
        let inbox = config.inbox.as_ref();
        Self {
            inbox: inbox.map(|inbox| VersionedBucket::new(clients.s3.clone(), &inbox.bucket)),
            vault: config.vault.vault(&clients),
            presigner: clients.presigner,
            config,
        }
    }

    /// The client that calls.
    pub(crate) fn authenticate(&self, headers: &HeaderMap) -> Result<ClientName, Problem> {
        self.config.http.api_keys.authenticate(headers)
    }
}

/// Does the work within the time that a client waits for an answer.
pub(crate) async fn in_time<T>(
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    tokio::time::timeout(DEADLINE, work)
        .await
        .unwrap_or_else(|_| Err(unavailable()))
}

/// The file that `id` means when `client` says it. What cannot be the id of a file is one that does
/// not exist.
pub(crate) fn object(client: &ClientName, id: &str) -> Result<ObjectKey, Problem> {
    ObjectKey::from_id(client, id).map_err(|_| not_found())
}

/// 404, the same for what is not there, what is another client's, and what is no id.
pub(crate) fn not_found() -> Problem {
    Problem::new(ProblemKind::NotFound, "There is no file with this id.")
}

pub(crate) fn unavailable() -> Problem {
    Problem::new(
        ProblemKind::DependencyUnavailable,
        "Key management or storage does not answer. Try again in a few seconds.",
    )
}

pub(crate) fn from_unavailable(Unavailable: Unavailable) -> Problem {
    unavailable()
}

pub(crate) fn invalid(detail: &'static str) -> Problem {
    Problem::new(ProblemKind::InvalidRequest, detail)
}

pub(crate) fn from_put_error(error: &PutError) -> Problem {
    match error {
        PutError::TooLarge { limit } => Problem::body_too_large(*limit),
        PutError::PreconditionFailed | PutError::Unavailable => unavailable(),
        PutError::WrongLength | PutError::Source(_) => {
            tracing::error!("content in memory could not be read");
            Problem::internal()
        }
    }
}

pub(crate) fn from_get_error(error: &GetError, limit: u64) -> Problem {
    match error {
        GetError::NotFound => not_found(),
        GetError::NotAuthentic => does_not_open(),
        GetError::TooLarge { .. } => Problem::new(
            ProblemKind::TooLarge,
            format!(
                "The file exceeds {limit} bytes. Ask POST /api/files/{{id}}/grant for a link to it \
                 and the key that opens it."
            ),
        ),
        GetError::Unavailable => unavailable(),
        GetError::Destination(_) => {
            tracing::error!("content in memory could not be written");
            Problem::internal()
        }
    }
}

pub(crate) fn does_not_open() -> Problem {
    Problem::new(
        ProblemKind::IntegrityFailure,
        "The file does not open: what is stored is not what was uploaded.",
    )
}
