//! Who is calling, and about whom.

use axum::extract::{FromRequestParts, Path};
use caas_clients::Caller;
use caas_crypto::{
    Cipher, ClientName, UserId,
    reversible::{self, MAX_CONTEXT_LEN},
};
use caas_http::{Audit, Problem, ProblemKind};
use http::request::Parts;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::State;

/// The client's user with this UUID, the subject of the request.
pub(crate) fn user(client: ClientName, uuid: &str, audit: &Audit) -> Result<UserId, Problem> {
    let user = parse_uuid(uuid)?;
    let user = UserId { client, user };
    audit.subject(user.subject());
    Ok(user)
}

/// The user whose UUID is in the path, of the client whose key is in the headers.
pub(crate) struct UserInPath(pub(crate) UserId);

impl FromRequestParts<State> for UserInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        let Caller(client) = Caller::from_request_parts(parts, state).await?;
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(user) = path.map_err(|_| ProblemKind::InvalidUuid)?;
        let audit = parts.extensions.get().cloned().unwrap_or_default();
        self::user(client, &user, &audit).map(Self)
    }
}

/// Reads a UUID with hyphens, in either case.
fn parse_uuid(text: &str) -> Result<Uuid, Problem> {
    let uuid = Uuid::try_parse(text).ok();
    uuid.filter(|uuid| text.eq_ignore_ascii_case(&uuid.hyphenated().to_string()))
        .ok_or_else(|| ProblemKind::InvalidUuid.into())
}

/// The context of reversible values; empty if there is none.
pub(crate) fn context(sent: Option<&Zeroizing<String>>) -> Result<&[u8], Problem> {
    let context = sent.map_or("", |context| context.as_str());
    if context.len() > MAX_CONTEXT_LEN {
        return Err(Problem::invalid(format!(
            "`context` is longer than {MAX_CONTEXT_LEN} bytes."
        )));
    }
    Ok(context.as_bytes())
}

/// What `/encrypt` can have returned, by its form alone.
pub(crate) enum Encrypted {
    /// A digest.
    Digest(String),
    /// A reversible value.
    Value(reversible::Value),
    /// A value of the first format, which is no longer read.
    Version1,
    /// Nothing that `/encrypt` returns.
    Neither,
}

impl Encrypted {
    pub(crate) fn from_text(text: &str) -> Self {
        let lower_hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let mut lengths = Cipher::ALL.iter().map(|cipher| 2 * cipher.digest_len());
        if lower_hex && lengths.any(|len| len == text.len()) {
            return Self::Digest(text.to_owned());
        }
        if text.starts_with("caas:v1:") {
            return Self::Version1;
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
        for neither in ["A".repeat(64), "g".repeat(64), "caas:v2:".to_owned()] {
            assert!(matches!(Encrypted::from_text(&neither), Encrypted::Neither));
        }
    }
}
