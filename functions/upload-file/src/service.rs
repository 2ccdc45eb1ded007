//! What the handlers share: who calls, the vault, and how its failures become problems.

use axum::extract::{FromRequestParts, Path};
use caas_aws::{Clients, ObjectKey, Presigner, Unavailable, VersionedBucket};
use caas_clients::{ApiKeys, Caller};
use caas_crypto::ClientName;
use caas_http::{Audit, HttpConfig, Problem, ProblemKind};
use caas_vault::{GetError, PutError, UploadError, UploadToken, Vault};
use http::request::Parts;

use crate::{Config, State};

/// The function's configuration and its connections.
#[derive(Debug)]
pub struct Service {
    pub(crate) config: Config,
    pub(crate) api_keys: ApiKeys,
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
            api_keys: config.api_keys.api_keys(&clients),
            vault: config.vault.vault(&clients),
            presigner: clients.presigner,
            config,
        }
    }
}

impl AsRef<HttpConfig> for Service {
    fn as_ref(&self) -> &HttpConfig {
        &self.config.http
    }
}

impl AsRef<ApiKeys> for Service {
    fn as_ref(&self) -> &ApiKeys {
        &self.api_keys
    }
}

/// The file whose id is in the path, of the client whose key is in the headers. An id that no file
/// can have is one that does not exist.
pub(crate) struct StoredKey(pub(crate) ObjectKey);

impl FromRequestParts<State> for StoredKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        let Caller(client) = Caller::from_request_parts(parts, state).await?;
        let id = Path::<String>::from_request_parts(parts, state).await;
        let key = id.ok().map(|Path(id)| ObjectKey::from_id(&client, &id));
        let key = key.and_then(Result::ok).ok_or_else(not_found)?;
        let audit: Option<&Audit> = parts.extensions.get();
        audit.inspect(|audit| audit.subject(key.subject()));
        Ok(Self(key))
    }
}

/// 404, the same for what is not there, what is another client's, and what is no id.
pub(crate) fn not_found() -> Problem {
    Problem::new(ProblemKind::NotFound, "There is no file with this id.")
}

pub(crate) fn unavailable() -> Problem {
    ProblemKind::DependencyUnavailable.into()
}

pub(crate) fn from_unavailable(Unavailable: Unavailable) -> Problem {
    unavailable()
}

pub(crate) fn from_put_error(error: &PutError) -> Problem {
    match error {
        PutError::TooLarge { limit } => Problem::body_too_large(*limit),
        PutError::StorageFull => ProblemKind::StorageFull.into(),
        PutError::PreconditionFailed | PutError::Unavailable => unavailable(),
        PutError::WrongLength | PutError::Source(_) => {
            tracing::error!("content in memory could not be read");
            ProblemKind::Internal.into()
        }
        PutError::DoesNotOpen => {
            tracing::error!("what was sealed does not open");
            ProblemKind::Internal.into()
        }
    }
}

pub(crate) fn from_get_error(error: &GetError, limit: u64) -> Problem {
    match error {
        GetError::NotFound => not_found(),
        GetError::OtherContext => Problem::new(
            ProblemKind::IntegrityFailure,
            "Another program stored this file, under another encryption context than this service's. \
             Open it with that program.",
        ),
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
            ProblemKind::Internal.into()
        }
    }
}

/// The upload that a token names; its file is the subject of the request. Another client's is reported
/// as one that does not exist.
pub(crate) fn own_upload(
    client: &ClientName,
    token: &str,
    audit: &Audit,
) -> Result<UploadToken, Problem> {
    let token = UploadToken::parse(token);
    let token = token.map_err(|_| {
        Problem::invalid("'upload' must be what POST /api/uploads returned as 'upload'.")
    })?;
    match token.key().client() == client.as_str() {
        true => {
            audit.subject(token.key().subject());
            Ok(token)
        }
        false => Err(from_upload_error(UploadError::NotFound)),
    }
}

pub(crate) fn from_upload_error(error: UploadError) -> Problem {
    let conflict = |detail| Problem::new(ProblemKind::UploadConflict, detail);
    match error {
        UploadError::NotFound => Problem::new(
            ProblemKind::NotFound,
            "There is no such upload: it was completed, aborted or deleted, it expired, or it never \
             began.",
        ),
        UploadError::Incomplete { number } => Problem::new(
            ProblemKind::UploadConflict,
            format!(
                "Part {number} is missing or has another length than the upload requires. Send it, \
                 then complete the upload again."
            ),
        ),
        UploadError::OtherParts => conflict(
            "A part does not have the ETag that you name: it was replaced. Begin a new upload.",
        ),
        UploadError::OtherFile => {
            conflict("What is stored under this id does not belong to this upload.")
        }
        UploadError::NotAuthentic => Problem::invalid("The key in 'upload' does not open."),
        UploadError::Unavailable => Problem::new(
            ProblemKind::DependencyUnavailable,
            "Key management or storage is not available, or is still completing the upload. Send \
             the same request again.",
        ),
    }
}

pub(crate) fn does_not_open() -> Problem {
    Problem::new(
        ProblemKind::IntegrityFailure,
        "The file does not open: what is stored is not what was uploaded.",
    )
}
