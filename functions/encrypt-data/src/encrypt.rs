//! `POST /encrypt`

use axum::{
    Json,
    extract::{Request, State},
};
use caas_crypto::UserKeyVersion;
use caas_http::{MAX_JSON_BYTES, OneOrMany, Problem, ProblemDetails, ProblemKind};
use serde::Serialize;

use crate::{
    caller,
    error::{invalid, no_key},
};

/// The reversible cipher, where a digest is not wanted.
const AES_256_GCM: &str = "aes-256-gcm";

/// How much room `/decrypt` needs beside the values, of the longest body it takes.
const DECRYPT_OVERHEAD: usize = 1000;

/// What to encrypt, and for whom.
#[derive(utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the body")]
pub(crate) struct EncryptRequest {
    /// The API key, unless it is in a header.
    #[schema(rename = "apiKey")]
    api_key: Option<String>,
    /// The user, a UUID with hyphens.
    #[schema(rename = "userUUID", value_type = String, format = "uuid")]
    user: String,
    /// The datum, or up to 1,000 of them.
    #[schema(rename = "sensitiveData")]
    data: OneOrMany<String>,
    /// `aes-256-gcm` for a value that `/decrypt` takes back; a digest without it.
    #[schema(example = "aes-256-gcm")]
    cipher: Option<String>,
}

/// What was encrypted.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct EncryptResponse {
    /// A digest in lower-case hex, or a value `caas:v1:…`; an array in the order of the data.
    encrypted_data: OneOrMany<String>,
}

/// Encrypt a datum for one user
///
/// Answers a one-way digest, always the same for this user and datum until the user's key is
/// rotated. With `"cipher": "aes-256-gcm"` it answers a value that `/decrypt` takes back.
#[utoipa::path(
    post,
    path = "/encrypt",
    tag = "Users' data",
    request_body = inline(EncryptRequest),
    security((), ("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The encrypted data", body = inline(EncryptResponse)),
        (status = "4XX", description = "A problem", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 503, description = "KMS or S3 is not available", body = ProblemDetails,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn encrypt(
    State(service): State<crate::State>,
    request: Request,
) -> Result<Json<EncryptResponse>, Problem> {
    let (user, mut fields) = caller::read(&service, request).await?;
    let data = fields
        .texts("sensitiveData")?
        .ok_or_else(|| invalid("The field 'sensitiveData' is missing."))?;
    let reversible = match fields.text("cipher")?.as_ref().map(|name| name.as_str()) {
        None => false,
        Some(AES_256_GCM) => true,
        Some(_) => {
            return Err(invalid(
                "The field 'cipher' can be 'aes-256-gcm'; leave it out for a digest.",
            ));
        }
    };
    fields.finish()?;
    if let OneOrMany::Many(data) = &data
        && data.is_empty()
    {
        let encrypted_data = OneOrMany::Many(Vec::new());
        return Ok(Json(EncryptResponse { encrypted_data }));
    }

    let key = service.keys.latest(&user).await.map_err(no_key)?;
    let encrypt = |datum: &str| encrypt_one(&key, datum, reversible);
    let encrypted_data = match &data {
        OneOrMany::One(datum) => OneOrMany::One(encrypt(datum)?),
        OneOrMany::Many(data) => {
            let encrypted = data.iter().map(|datum| encrypt(datum));
            OneOrMany::Many(encrypted.collect::<Result<_, _>>()?)
        }
    };
    if reversible {
        refuse_what_decrypt_would(&encrypted_data, service.http.max_body_bytes)?;
    }
    Ok(Json(EncryptResponse { encrypted_data }))
}

fn encrypt_one(key: &UserKeyVersion, datum: &str, reversible: bool) -> Result<String, Problem> {
    if !reversible {
        return Ok(key.digest(datum.as_bytes()));
    }
    let value = key.seal(datum.as_bytes()).map_err(|error| {
        tracing::error!(%error, "cannot encrypt a datum");
        Problem::internal()
    })?;
    Ok(value.to_string())
}

/// A value is a third longer than its datum: nobody shall keep what cannot be sent back.
fn refuse_what_decrypt_would(
    values: &OneOrMany<String>,
    max_body_bytes: u64,
) -> Result<(), Problem> {
    let quoted = |value: &String| value.len() + r#""","#.len();
    let len: usize = match values {
        OneOrMany::One(value) => quoted(value),
        OneOrMany::Many(values) => values.iter().map(quoted).sum(),
    };
    if (len + DECRYPT_OVERHEAD) as u64 > max_body_bytes.min(MAX_JSON_BYTES) {
        return Err(Problem::new(
            ProblemKind::TooLarge,
            "The encrypted values would exceed what /decrypt takes. Send fewer or shorter data.",
        ));
    }
    Ok(())
}
