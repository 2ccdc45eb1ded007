//! Signature Version 4 of a KMS request, checked in full: identity, time, headers and body.
//!
//! KMS requests are POSTs to `/` without a query, so little of the algorithm is needed:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use hmac::{Hmac, KeyInit, Mac};
use http::request::Parts;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use time::{OffsetDateTime, PrimitiveDateTime, macros::format_description};

use super::error::KmsError;
use crate::credentials::Credentials;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The largest difference between the client's clock and ours.
const MAX_SKEW_SECONDS: u64 = 15 * 60;

/// Headers without which a signature would not bind the request.
const REQUIRED: [&str; 3] = ["host", "x-amz-date", "x-amz-target"];

/// Checks the `Authorization` header against the request.
pub(super) fn check(parts: &Parts, body: &[u8], credentials: &Credentials) -> Result<(), KmsError> {
    let authorization = header(parts, "authorization").ok_or(KmsError::MissingAuthentication)?;
    let claim = Claim::parse(authorization).ok_or(KmsError::IncompleteSignature(
        "Authorization header requires Credential, SignedHeaders and Signature.",
    ))?;
    let date = header(parts, "x-amz-date").ok_or(KmsError::IncompleteSignature(
        "Authorization header requires X-Amz-Date.",
    ))?;
    if claim
        .access_key_id
        .as_bytes()
        .ct_ne(credentials.access_key_id.as_bytes())
        .into()
    {
        return Err(KmsError::UnknownClient);
    }
    check_date(date, &claim)?;
    let signed: Vec<&str> = claim.signed_headers.split(';').collect();
    if REQUIRED.iter().any(|name| !signed.contains(name)) {
        return Err(KmsError::InvalidSignature(
            "A header that must be signed is not.",
        ));
    }
    let mut canonical = format!(
        "POST\n{}\n{}\n",
        parts.uri.path(),
        parts.uri.query().unwrap_or("")
    );
    for name in &signed {
        let values = parts.headers.get_all(*name).iter();
        let values: Option<Vec<String>> = values
            .map(|value| Some(collapse(value.to_str().ok()?)))
            .collect();
        let values = values.ok_or(MISMATCH)?;
        canonical.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    let body_hash = hex::encode(Sha256::digest(body));
    canonical.push_str(&format!("\n{}\n{body_hash}", claim.signed_headers));
    let request_hash = hex::encode(Sha256::digest(canonical));
    let to_sign = format!("{ALGORITHM}\n{date}\n{}\n{request_hash}", claim.scope);
    let mut key = hmac(
        format!("AWS4{}", credentials.secret_access_key).as_bytes(),
        claim.day,
    )?;
    for step in [claim.region, claim.service, "aws4_request"] {
        key = hmac(&key, step)?;
    }
    let expected = hex::encode(hmac(&key, &to_sign)?);
    if expected.as_bytes().ct_eq(claim.signature.as_bytes()).into() {
        Ok(())
    } else {
        Err(MISMATCH)
    }
}

const MISMATCH: KmsError = KmsError::InvalidSignature(
    "The request signature we calculated does not match the signature you provided.",
);

/// The fields of the `Authorization` header.
struct Claim<'a> {
    access_key_id: &'a str,
    /// `day/region/service/aws4_request`.
    scope: &'a str,
    day: &'a str,
    region: &'a str,
    service: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Claim<'a> {
    fn parse(authorization: &'a str) -> Option<Self> {
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for field in authorization.strip_prefix(ALGORITHM)?.split(',') {
            match field.trim().split_once('=')? {
                ("Credential", value) => credential = Some(value),
                ("SignedHeaders", value) => signed_headers = Some(value),
                ("Signature", value) => signature = Some(value),
                _ => return None,
            }
        }
        let (access_key_id, scope) = credential?.split_once('/')?;
        let [day, region, service, "aws4_request"] = scope.split('/').collect::<Vec<_>>()[..]
        else {
            return None;
        };
        let (signed_headers, signature) = (signed_headers?, signature?);
        Some(Self {
            access_key_id,
            scope,
            day,
            region,
            service,
            signed_headers,
            signature,
        })
    }
}

/// Checks that the time is near ours, and that the scope is that day's and KMS's.
fn check_date(date: &str, claim: &Claim<'_>) -> Result<(), KmsError> {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let time = PrimitiveDateTime::parse(date, format)
        .map_err(|_| KmsError::IncompleteSignature("X-Amz-Date is not a time."))?
        .assume_utc();
    let skew = (OffsetDateTime::now_utc() - time)
        .whole_seconds()
        .unsigned_abs();
    if skew > MAX_SKEW_SECONDS {
        return Err(KmsError::InvalidSignature(
            "Signature expired, or not yet current.",
        ));
    }
    if !date.starts_with(claim.day) || claim.service != "kms" {
        return Err(KmsError::InvalidSignature(
            "Credential should be scoped to this day and kms.",
        ));
    }
    Ok(())
}

fn hmac(key: &[u8], message: &str) -> Result<Vec<u8>, KmsError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| MISMATCH)?;
    mac.update(message.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

/// Trims a header value and collapses runs of spaces.
fn collapse(value: &str) -> String {
    value
        .split(' ')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name)?.to_str().ok()
}
