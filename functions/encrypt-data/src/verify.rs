//! `POST /verify`

use axum::extract::State;
use caas_clients::AuthenticatedJson;
use caas_crypto::UserId;
use caas_http::{Audit, Json, OneOrMany, Problem};
use caas_users::HeldKeys;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    caller::{self, Encrypted},
    encrypt::Texts,
    error::{no_key, version_1},
};

/// A datum, and what `/encrypt` is said to have returned for it.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerifyRequest {
    /// The API key, unless it is in a header.
    #[serde(rename = "apiKey")]
    #[schema(value_type = Option<String>, nullable = false)]
    _api_key: Option<Zeroizing<String>>,
    /// The user, a UUID with hyphens.
    #[serde(rename = "userUUID")]
    #[schema(format = "uuid")]
    user: String,
    /// The datum, or up to 1,000 of them.
    #[serde(rename = "sensitiveData")]
    #[schema(value_type = Texts)]
    data: OneOrMany<Zeroizing<String>>,
    /// What `/encrypt` returned, under this name or as `encrypted_data`: as many as there are data.
    #[serde(rename = "encryptedData", alias = "encrypted_data")]
    #[schema(value_type = Texts)]
    encrypted: OneOrMany<Zeroizing<String>>,
    /// The context that reversible values were encrypted with.
    #[schema(value_type = Option<String>, nullable = false, max_length = 1024)]
    context: Option<Zeroizing<String>>,
}

type Flags = OneOrMany<bool>;

/// Whether they belong together.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct VerifyResponse {
    /// Whether the encrypted datum is the datum's; for arrays an array in the same order.
    valid: Flags,
}

/// Compare a datum with its encrypted form
///
/// Takes digests and reversible values, of every key version that the user still has.
#[utoipa::path(
    post,
    path = "/verify",
    operation_id = "verify_data",
    tag = "Users' data",
    request_body(content = inline(VerifyRequest), example = json!({
        "userUUID": "123e4567-e89b-12d3-a456-426614174000",
        "sensitiveData": "this is some sensitive data",
        "encryptedData": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    })),
    security((), ("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The outcome", body = inline(VerifyResponse),
            example = json!({"valid": true})),
        Problem,
    )
)]
pub(crate) async fn verify(
    State(service): State<crate::State>,
    audit: Audit,
    AuthenticatedJson { client, body }: AuthenticatedJson<VerifyRequest>,
) -> Result<Json<VerifyResponse>, Problem> {
    let user = caller::user(client, &body.user, &audit)?;
    audit.items(body.encrypted.as_slice().len());
    let mut checks = Checks {
        service: &service,
        user,
        held: None,
        context: body.context.as_ref(),
    };
    let valid = match (&body.data, &body.encrypted) {
        (OneOrMany::One(datum), OneOrMany::One(encrypted)) => {
            OneOrMany::One(checks.check(datum, encrypted).await?)
        }
        (OneOrMany::Many(data), OneOrMany::Many(encrypted)) if data.len() == encrypted.len() => {
            let mut valid = Vec::with_capacity(data.len());
            for (datum, encrypted) in data.iter().zip(encrypted) {
                valid.push(checks.check(datum, encrypted).await?);
            }
            OneOrMany::Many(valid)
        }
        _ => {
            return Err(Problem::invalid(
                "Send one datum and one encrypted datum, or two arrays of the same length.",
            ));
        }
    };
    Ok(Json(VerifyResponse { valid }))
}

/// The comparisons of one request. Keys are loaded for the first that needs them.
struct Checks<'a> {
    service: &'a crate::Service,
    user: UserId,
    held: Option<HeldKeys<'a>>,
    context: Option<&'a Zeroizing<String>>,
}

impl Checks<'_> {
    async fn check(&mut self, datum: &str, encrypted: &str) -> Result<bool, Problem> {
        let context = caller::context(self.context)?;
        let encrypted = match Encrypted::from_text(encrypted) {
            Encrypted::Neither => return Ok(false),
            Encrypted::Version1 => return Err(version_1()),
            Encrypted::Digest(_) if self.context.is_some() => {
                return Err(Problem::invalid(
                    "`context` is for reversible values, and a digest has none.",
                ));
            }
            known => known,
        };
        let held = match &mut self.held {
            Some(held) => held,
            none => {
                let held = self.service.keys.held(self.user.clone());
                none.insert(held.await.map_err(no_key)?)
            }
        };
        let value = match encrypted {
            Encrypted::Value(value) => value,
            Encrypted::Digest(digest) => {
                let matches = held.verify(datum.as_bytes(), &digest).await;
                return matches.map_err(no_key);
            }
            Encrypted::Version1 | Encrypted::Neither => return Ok(false),
        };
        let key = held.key_of(&value).await.map_err(no_key)?;
        let Some(opened) = key.and_then(|key| key.open(&value, context).ok()) else {
            return Ok(false);
        };
        Ok(opened.as_slice().ct_eq(datum.as_bytes()).into())
    }
}
