//! `POST /decrypt`

use axum::extract::State;
use caas_clients::AuthenticatedJson;
use caas_http::{Audit, Json, OneOrMany, Problem, ProblemKind};
use caas_users::{HeldKeys, UserKeyError};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    caller::{self, Encrypted},
    encrypt::Texts,
    error::{does_not_open, no_key, version_1},
};

/// What to decrypt, and whose it is.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecryptRequest {
    /// The API key, unless it is in a header.
    #[serde(rename = "apiKey")]
    #[schema(value_type = Option<String>, nullable = false)]
    _api_key: Option<Zeroizing<String>>,
    /// The user, a UUID with hyphens.
    #[serde(rename = "userUUID")]
    #[schema(format = "uuid")]
    user: String,
    /// A value `caas:v2:…`, or up to 1,000 of them, under this name or as `encrypted_data`.
    #[serde(rename = "encryptedData", alias = "encrypted_data")]
    #[schema(value_type = Texts)]
    encrypted: OneOrMany<Zeroizing<String>>,
    /// The context that the values were encrypted with.
    #[schema(value_type = Option<String>, nullable = false, max_length = 1024)]
    context: Option<Zeroizing<String>>,
}

type OptionalTexts = OneOrMany<Option<String>>;

/// What was decrypted.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct DecryptResponse {
    /// The datum; or an array in the order of the values, with `null` where one did not open.
    sensitive_data: OptionalTexts,
    /// For an array: the values that did not open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    errors: Option<Vec<ItemError>>,
}

/// Why one of several values has no datum.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ItemError {
    /// The position in the array, from 0.
    index: usize,
    /// As in a problem document.
    #[serde(rename = "type")]
    kind: ProblemKind,
}

/// Decrypt what was encrypted reversibly
///
/// Takes the values that `/encrypt` returns with `"cipher": "aes-256-gcm"`. A digest has no way
/// back. In an array, a value that does not open leaves the others alone.
#[utoipa::path(
    post,
    path = "/decrypt",
    operation_id = "decrypt_data",
    tag = "Users' data",
    request_body(content = inline(DecryptRequest), example = json!({
        "userUUID": "123e4567-e89b-12d3-a456-426614174000",
        "encryptedData": "caas:v2:Ej5FZ-ibEtOkVkJmFBdAAAAAAAFioZa8CchR485SIvhfI9ckFFkyqNmqv8wH8mtbD-Q0b1IMo-I8yXgwFfXUZD6u3-l_q2BrWLMvWA",
    })),
    security((), ("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The data", body = inline(DecryptResponse),
            example = json!({"sensitive_data": "this is some sensitive data"})),
        Problem,
    )
)]
pub(crate) async fn decrypt(
    State(service): State<crate::State>,
    audit: Audit,
    AuthenticatedJson { client, body }: AuthenticatedJson<DecryptRequest>,
) -> Result<Json<DecryptResponse>, Problem> {
    let user = caller::user(client, &body.user, &audit)?;
    let context = caller::context(body.context.as_ref())?;
    let texts = body.encrypted.as_slice();
    audit.items(texts.len());
    let values: Vec<_> = texts
        .iter()
        .map(|text| Encrypted::from_text(text))
        .collect();
    let mut held = None;
    if values
        .iter()
        .any(|value| matches!(value, Encrypted::Value(_)))
    {
        held = match service.keys.held(user).await {
            Ok(held) => Some(held),
            // To the values it makes no difference what is wrong with the keys.
            Err(UserKeyError::Damaged) => None,
            Err(error) => return Err(no_key(error)),
        };
    }
    let mut data = Vec::with_capacity(values.len());
    let mut errors = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        match open(held.as_mut(), &value, context).await? {
            Ok(datum) => data.push(Some(datum)),
            Err(_)
                if matches!(
                    (&body.encrypted, &value),
                    (OneOrMany::One(_), Encrypted::Version1)
                ) =>
            {
                return Err(version_1());
            }
            Err(kind) => {
                data.push(None);
                errors.push(ItemError { index, kind });
            }
        }
    }
    match (body.encrypted, errors.first()) {
        (OneOrMany::Many(_), _) => Ok(Json(DecryptResponse {
            sensitive_data: OneOrMany::Many(data),
            errors: Some(errors),
        })),
        (OneOrMany::One(_), None) => Ok(Json(DecryptResponse {
            sensitive_data: OneOrMany::One(data.pop().flatten()),
            errors: None,
        })),
        (OneOrMany::One(_), Some(error)) => Err(match error.kind {
            ProblemKind::IntegrityFailure => does_not_open(),
            kind => kind.into(),
        }),
    }
}

/// The datum, or what is wrong with the value; a problem where nothing can be said about it.
async fn open(
    held: Option<&mut HeldKeys<'_>>,
    value: &Encrypted,
    context: &[u8],
) -> Result<Result<String, ProblemKind>, Problem> {
    let value = match value {
        Encrypted::Value(value) => value,
        Encrypted::Digest(_) => return Ok(Err(ProblemKind::NotReversible)),
        Encrypted::Version1 | Encrypted::Neither => return Ok(Err(ProblemKind::IntegrityFailure)),
    };
    let key = match held {
        None => None,
        Some(held) => match held.key_of(value).await {
            Err(UserKeyError::Damaged) => None,
            key => key.map_err(no_key)?,
        },
    };
    let opened = key.and_then(|key| key.open(value, context).ok());
    let datum = opened.and_then(|mut datum| String::from_utf8(std::mem::take(&mut datum)).ok());
    Ok(datum.ok_or(ProblemKind::IntegrityFailure))
}
