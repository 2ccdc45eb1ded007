//! `POST /encrypt`

use axum::extract::State;
use caas_clients::AuthenticatedJson;
use caas_crypto::{UserKeyVersion, reversible::Value};
use caas_http::{Audit, Json, MAX_JSON_BYTES, OneOrMany, Problem, ProblemKind};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{caller, error::no_key};

/// What a body of `/decrypt` holds besides the values and their context, in bytes.
const DECRYPT_OVERHEAD: usize = 1000;

/// The quotes around a value, and the comma after it.
const VALUE_JSON: usize = 3;

/// What JSON makes of a byte of UTF-8 at most: `\u0000`.
const MAX_ESCAPED: usize = 6;

/// An alias, since utoipa composes the schemas of generic types without their own limits.
pub(crate) type Texts = OneOrMany<String>;

/// What to encrypt, and for whom.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EncryptRequest {
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
    /// `aes-256-gcm` for a value that `/decrypt` accepts; without it the result is a digest.
    #[schema(nullable = false)]
    cipher: Option<ReversibleCipher>,
    /// What a reversible value is for, such as `email`: at most 1,024 bytes of UTF-8. The value
    /// opens only with the same context. Empty by default.
    #[schema(value_type = Option<String>, nullable = false, max_length = 1024)]
    context: Option<Zeroizing<String>>,
}

/// A cipher whose values `/decrypt` accepts.
#[derive(Deserialize, utoipa::ToSchema)]
enum ReversibleCipher {
    #[serde(rename = "aes-256-gcm")]
    Aes256Gcm,
}

/// What was encrypted.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct EncryptResponse {
    /// A digest in lower-case hex, or a value `caas:v2:…`; an array in the order of the data.
    encrypted_data: Texts,
}

/// Encrypt a datum for one user
///
/// Returns a one-way digest, always the same for this user and datum until the user's key is
/// rotated. With `"cipher": "aes-256-gcm"` it returns a value that `/decrypt` accepts.
#[utoipa::path(
    post,
    path = "/encrypt",
    operation_id = "encrypt_data",
    tag = "Users' data",
    request_body(content = inline(EncryptRequest), example = json!({
        "userUUID": "123e4567-e89b-12d3-a456-426614174000",
        "sensitiveData": "this is some sensitive data",
    })),
    security((), ("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The encrypted data", body = inline(EncryptResponse),
            example = json!({
                "encrypted_data": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
            })),
        Problem,
    )
)]
pub(crate) async fn encrypt(
    State(service): State<crate::State>,
    audit: Audit,
    AuthenticatedJson { client, body }: AuthenticatedJson<EncryptRequest>,
) -> Result<Json<EncryptResponse>, Problem> {
    let user = caller::user(client, &body.user, &audit)?;
    audit.items(body.data.as_slice().len());
    let reversible = body.cipher.is_some();
    let context = caller::context(body.context.as_ref())?;
    if body.context.is_some() && !reversible {
        return Err(Problem::invalid(
            "`context` is for reversible values. Send `cipher` with it.",
        ));
    }
    if let OneOrMany::Many(data) = &body.data
        && data.is_empty()
    {
        let encrypted_data = OneOrMany::Many(Vec::new());
        return Ok(Json(EncryptResponse { encrypted_data }));
    }
    if reversible {
        refuse_what_decrypt_would(&body.data, context, service.http.max_body_bytes)?;
    }

    let key = service.keys.latest(&user).await.map_err(no_key)?;
    let encrypt = |datum: &str| match reversible {
        true => seal(&key, datum, context),
        false => Ok(key.digest(datum.as_bytes())),
    };
    let encrypted_data = match &body.data {
        OneOrMany::One(datum) => OneOrMany::One(encrypt(datum)?),
        OneOrMany::Many(data) => {
            let encrypted = data.iter().map(|datum| encrypt(datum));
            OneOrMany::Many(encrypted.collect::<Result<_, _>>()?)
        }
    };
    Ok(Json(EncryptResponse { encrypted_data }))
}

fn seal(key: &UserKeyVersion, datum: &str, context: &[u8]) -> Result<String, Problem> {
    let value = key.seal(datum.as_bytes(), context).map_err(|error| {
        tracing::error!(%error, "cannot encrypt a datum");
        Problem::from(ProblemKind::Internal)
    })?;
    Ok(value.to_string())
}

/// Rejects data whose values would be too long for `/decrypt` to accept: base64 makes them a third
/// longer.
fn refuse_what_decrypt_would(
    data: &OneOrMany<Zeroizing<String>>,
    context: &[u8],
    max_body_bytes: u64,
) -> Result<(), Problem> {
    let lens = data.as_slice().iter().map(|datum| datum.len());
    let values: usize = lens.map(|len| Value::text_len(len) + VALUE_JSON).sum();
    let body = DECRYPT_OVERHEAD + values + context.len() * MAX_ESCAPED;
    if body as u64 > max_body_bytes.min(MAX_JSON_BYTES) {
        return Err(Problem::new(
            ProblemKind::TooLarge,
            "The encrypted values would exceed what /decrypt accepts. Send fewer or shorter data.",
        ));
    }
    Ok(())
}
