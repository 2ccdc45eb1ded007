//! Gives the page the API key without anybody typing it: for a code that works once.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{Router, extract::State, routing::post};
use caas_audit::Trail;
use caas_clients::KeyHash;
use caas_http::{Edge, HttpConfig, Json, Problem, ProblemKind};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::data_dir::ApiKey;

/// Longer than any request with a code.
const MAX_BODY_BYTES: u64 = 1_000;

/// A new code of 122 random bits, and the route that exchanges it for the key.
pub(crate) fn routes(api_key: ApiKey, trail: Trail) -> (String, Router) {
    let code = Uuid::new_v4().simple().to_string();
    let edge = Edge {
        trail,
        ..Edge::default()
    };
    let exchange = Exchange {
        http: HttpConfig {
            max_body_bytes: MAX_BODY_BYTES,
            edge: edge.clone(),
        },
        api_key,
        unused: Mutex::new(Some(KeyHash::of(&code))),
    };
    let routes = Router::new().route("/local/api-key", post(redeem));
    (code, edge.around(routes.with_state(Arc::new(exchange))))
}

struct Exchange {
    http: HttpConfig,
    api_key: ApiKey,
    /// The code's hash, until the code is used.
    unused: Mutex<Option<KeyHash>>,
}

impl AsRef<HttpConfig> for Exchange {
    fn as_ref(&self) -> &HttpConfig {
        &self.http
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    code: String,
}

#[derive(Serialize)]
struct Key {
    api_key: String,
}

async fn redeem(
    State(exchange): State<Arc<Exchange>>,
    Json(Code { code }): Json<Code>,
) -> Result<Json<Key>, Problem> {
    let mut unused = exchange
        .unused
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if unused.take_if(|hash| *hash == KeyHash::of(&code)).is_none() {
        return Err(Problem::new(
            ProblemKind::NotFound,
            "This link has been used, or is of an earlier start. Restart `cargo run` for a new one, or enter the \
             API key, which is in the file `env` of the data folder.",
        ));
    }
    Ok(Json(Key {
        api_key: exchange.api_key.as_str().to_owned(),
    }))
}
