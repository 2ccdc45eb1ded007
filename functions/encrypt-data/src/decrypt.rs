//! `POST /decrypt`

use axum::{
    Json,
    extract::{Request, State},
};
use caas_http::{JsonObject, OneOrMany, Problem, ProblemDetails, ProblemKind};
use caas_users::{HeldKeys, UserKeyError};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    caller::{self, Encrypted},
    error::{does_not_open, invalid, no_key},
};

/// What to decrypt, and whose it is.
#[derive(utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the body")]
pub(crate) struct DecryptRequest {
    /// The API key, unless it is in a header.
    #[schema(rename = "apiKey")]
    api_key: Option<String>,
    /// The user, a UUID with hyphens.
    #[schema(rename = "userUUID", value_type = String, format = "uuid")]
    user: String,
    /// A value `caas:v1:…`, or up to 1,000 of them, under this name or as `encrypted_data`.
    #[schema(rename = "encryptedData")]
    encrypted: OneOrMany<String>,
}

/// What was decrypted.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct DecryptResponse {
    /// The datum; or an array in the order of the values, with `null` where one did not open.
    sensitive_data: OneOrMany<Option<String>>,
    /// For an array: the values that did not open.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<ItemError>>,
}

/// Why one of several values has no datum.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ItemError {
    /// The position in the array, from 0.
    index: usize,
    /// As in a problem document.
    #[serde(rename = "type")]
    #[schema(example = "/problems/integrity-failure")]
    kind: String,
}

/// Decrypt what was encrypted reversibly
///
/// Takes the values that `/encrypt` answers with `"cipher": "aes-256-gcm"`. A digest has no way
/// back. In an array, a value that does not open leaves the others alone.
#[utoipa::path(
    post,
    path = "/decrypt",
    tag = "Users' data",
    request_body = inline(DecryptRequest),
    security((), ("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The data", body = inline(DecryptResponse)),
        (status = "4XX", description = "A problem", body = ProblemDetails,
            content_type = "application/problem+json"),
        (status = 503, description = "KMS or S3 is not available", body = ProblemDetails,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn decrypt(
    State(service): State<crate::State>,
    request: Request,
) -> Result<Json<DecryptResponse>, Problem> {
    let (user, mut fields) = caller::read(&service, request).await?;
    let encrypted = encrypted_data(&mut fields)?;
    fields.finish()?;

    let texts = match &encrypted {
        OneOrMany::One(text) => std::slice::from_ref(text),
        OneOrMany::Many(texts) => texts,
    };
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
        match open(held.as_mut(), value).await? {
            Ok(datum) => data.push(Some(datum)),
            Err(kind) => {
                data.push(None);
                errors.push((index, kind));
            }
        }
    }
    let errors_of_array = || {
        let error = |(index, kind): &(usize, ProblemKind)| ItemError {
            index: *index,
            kind: kind.uri(),
        };
        errors.iter().map(error).collect()
    };
    match (encrypted, errors.first()) {
        (OneOrMany::Many(_), _) => Ok(Json(DecryptResponse {
            sensitive_data: OneOrMany::Many(data),
            errors: Some(errors_of_array()),
        })),
        (OneOrMany::One(_), None) => Ok(Json(DecryptResponse {
            sensitive_data: OneOrMany::One(data.pop().flatten()),
            errors: None,
        })),
        (OneOrMany::One(_), Some((_, ProblemKind::NotReversible))) => Err(Problem::new(
            ProblemKind::NotReversible,
            "This is a digest, which has no way back. Encrypt with \"cipher\": \"aes-256-gcm\" to \
             get a value that has one, or compare with /verify.",
        )),
        (OneOrMany::One(_), Some(_)) => Err(does_not_open()),
    }
}

/// The datum, or what is wrong with the value; a problem where nothing can be said about it.
async fn open(
    held: Option<&mut HeldKeys<'_>>,
    value: Encrypted,
) -> Result<Result<String, ProblemKind>, Problem> {
    let value = match value {
        Encrypted::Value(value) => value,
        Encrypted::Digest(_) => return Ok(Err(ProblemKind::NotReversible)),
        Encrypted::Neither => return Ok(Err(ProblemKind::IntegrityFailure)),
    };
    let key = match held {
        None => None,
        Some(held) => match held.version(value.version()).await {
            Err(UserKeyError::Damaged) => None,
            key => key.map_err(no_key)?,
        },
    };
    let opened = key.and_then(|key| key.open(value).ok());
    let datum = opened.and_then(|datum| String::from_utf8(datum).ok());
    Ok(datum.ok_or(ProblemKind::IntegrityFailure))
}

/// The field that is named as the request's other fields are, or as `/encrypt` answers it.
pub(crate) fn encrypted_data(
    fields: &mut JsonObject,
) -> Result<OneOrMany<Zeroizing<String>>, Problem> {
    match (
        fields.texts("encryptedData")?,
        fields.texts("encrypted_data")?,
    ) {
        (Some(encrypted), None) | (None, Some(encrypted)) => Ok(encrypted),
        (None, None) => Err(invalid("The field 'encryptedData' is missing.")),
        (Some(_), Some(_)) => Err(invalid(
            "Send 'encryptedData' or 'encrypted_data', not both.",
        )),
    }
}
