//! Protects sensitive data, differently for every user: digests that cannot be undone, values that
//! can, and the users' keys behind both.

mod caller;
mod config;
mod decrypt;
mod encrypt;
mod error;
mod rotate_user;
mod show_user;
mod shred_user;
mod verify;

use std::{sync::Arc, time::Duration};

use axum::Router;
use caas_aws::{Clients, ClientsConfig};
use caas_clients::ApiKeys;
use caas_http::HttpConfig;
use caas_users::UserKeys;
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use config::Config;

/// The function: who may call, and the users' keys.
#[derive(Debug)]
pub struct Service {
    /// Limits and origins.
    pub http: HttpConfig,
    /// Who may call.
    pub api_keys: ApiKeys,
    /// The users' keys.
    pub keys: UserKeys,
}

impl Service {
    /// The function as configured, through these clients.
    pub fn new(config: Config, clients: &Clients) -> Self {
        Self {
            keys: config.users.user_keys(clients),
            api_keys: config.api_keys.api_keys(clients),
            http: config.http,
        }
    }
}

/// How long a request to S3 or KMS may take, retries included. The loser of a race to create a user
/// makes five: 20 s, before a gateway gives up.
const CALL_TIMEOUT: Duration = Duration::from_secs(4);

impl AsRef<HttpConfig> for Service {
    fn as_ref(&self) -> &HttpConfig {
        &self.http
    }
}

impl AsRef<ApiKeys> for Service {
    fn as_ref(&self) -> &ApiKeys {
        &self.api_keys
    }
}

/// The connections with this function's time-outs.
pub fn connections(config: ClientsConfig) -> ClientsConfig {
    ClientsConfig {
        s3_timeout: CALL_TIMEOUT,
        kms_timeout: CALL_TIMEOUT,
        ..config
    }
}

/// What the handlers share.
pub type State = Arc<Service>;

/// The routes, with everything that surrounds them.
pub fn router(state: State) -> Router {
    let (routes, _) = routes().with_state(Arc::clone(&state)).split_for_parts();
    state.http.edge.around(routes)
}

/// The description of the routes.
pub fn openapi() -> OpenApi {
    routes().into_openapi()
}

fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(encrypt::encrypt))
        .routes(routes!(verify::verify))
        .routes(routes!(decrypt::decrypt))
        .routes(routes!(show_user::show_user, shred_user::shred_user))
        .routes(routes!(rotate_user::rotate_user))
}
