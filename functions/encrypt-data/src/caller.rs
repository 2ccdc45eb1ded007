//! Who is calling, and about whom.

use axum::{
    body::Body,
    extract::{Path, rejection::PathRejection},
};
use caas_crypto::{Cipher, reversible};
use caas_http::{JsonObject, Problem, ProblemKind, read_json_object};
use caas_users::UserId;
use http::{HeaderMap, Request};
use uuid::Uuid;

use crate::{Service, error::invalid};

/// Reads the body and takes the caller and the user out of it.
pub(crate) async fn read(
    service: &Service,
    request: Request<Body>,
) -> Result<(UserId, JsonObject), Problem> {
    let (parts, body) = request.into_parts();
    let http = &service.http;
    let mut fields = read_json_object(&parts.headers, body, http.max_body_bytes).await?;
    let key = fields.text("apiKey")?;
    let key = key.as_ref().map(|key| key.as_str());
    let client = http.api_keys.authenticate_with_body(&parts.headers, key)?;
    let user = fields
        .text("userUUID")?
        .ok_or_else(|| invalid("The field 'userUUID' is missing."))?;
    let user = parse_uuid(&user)?;
    Ok((UserId { client, user }, fields))
}

/// The user whose UUID is in the path, of the client whose key is in the headers.
pub(crate) fn user_in_path(
    service: &Service,
    headers: &HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Result<UserId, Problem> {
    let client = service.http.api_keys.authenticate(headers)?;
    let Path(user) = path.map_err(|_| not_a_uuid())?;
    let user = parse_uuid(&user)?;
    Ok(UserId { client, user })
}

/// Reads a UUID with hyphens, in either case.
fn parse_uuid(text: &str) -> Result<Uuid, Problem> {
    let uuid = Uuid::try_parse(text).ok();
    uuid.filter(|uuid| text.eq_ignore_ascii_case(&uuid.hyphenated().to_string()))
        .ok_or_else(not_a_uuid)
}

fn not_a_uuid() -> Problem {
    Problem::new(
        ProblemKind::InvalidUuid,
        "The user is not a UUID: 32 hexadecimal digits in groups of 8-4-4-4-12, with hyphens.",
    )
}

/// What `/encrypt` may have answered, by its form alone.
pub(crate) enum Encrypted {
    /// A digest.
    Digest(String),
    /// A reversible value.
    Value(reversible::Value),
    /// Nothing that comes from here.
    Neither,
}

impl Encrypted {
    pub(crate) fn from_text(text: &str) -> Self {
        let lower_hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let mut lengths = Cipher::ALL.iter().map(|cipher| 2 * cipher.digest_len());
        if lower_hex && lengths.any(|len| len == text.len()) {
            return Self::Digest(text.to_owned());
        }
        text.parse().map_or(Self::Neither, Self::Value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hyphenated_uuids_are_read() {
        let text = "0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e11";
        let uuid = parse_uuid(text).unwrap();
        assert_eq!(parse_uuid(&text.to_uppercase()).unwrap(), uuid);
        for wrong in [
            String::new(),
            text.replace('-', ""),
            format!("{{{text}}}"),
            format!("urn:uuid:{text}"),
            format!(" {text}"),
            text[1..].to_owned(),
            text.replace('0', "g"),
            format!("{}-{}", &text[..4], &text[4..8]),
        ] {
            assert!(parse_uuid(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn digests_are_told_by_length_and_alphabet() {
        for len in 0..200 {
            let digest = matches!(Encrypted::from_text(&"a".repeat(len)), Encrypted::Digest(_));
            assert_eq!(digest, [32, 40, 56, 64, 96, 128].contains(&len), "{len}");
        }
        for neither in ["A".repeat(64), "g".repeat(64), "caas:v1:".to_owned()] {
            assert!(matches!(Encrypted::from_text(&neither), Encrypted::Neither));
        }
    }
}
