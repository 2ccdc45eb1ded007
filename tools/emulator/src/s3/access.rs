//! Access: the signature must cover everything that S3 requires.
//!
//! `s3s` has already compared the signature. This checks what it covers: nobody may add an `x-amz-*`
//! header, such as metadata, to a presigned request.

use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderValue};
use percent_encoding::percent_decode_str;
use s3s::{
    S3Result,
    access::{S3Access, S3AccessContext},
    auth::{S3Auth, SecretKey},
    s3_error,
};
use subtle::ConstantTimeEq;

use super::{errors, presigned};
use crate::{calls::Counter, config::ACCOUNT};

/// The longest validity of a presigned request: seven days.
const MAX_EXPIRES_SECONDS: u32 = 7 * 24 * 60 * 60;

/// `s3s` compares this header with the body, signed or not.
const NEED_NOT_BE_SIGNED: &str = "x-amz-content-sha256";

/// The secret of the one identity, for `s3s` to compare signatures with.
pub(super) struct OneIdentity {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: SecretKey,
}

#[async_trait::async_trait]
impl S3Auth for OneIdentity {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key
            .as_bytes()
            .ct_eq(self.access_key_id.as_bytes())
            .into()
        {
            return Ok(self.secret_access_key.clone());
        }
        Err(s3_error!(
            InvalidAccessKeyId,
            "The AWS Access Key Id you provided does not exist in our records."
        ))
    }
}

/// Headers that name the account to which a bucket must belong.
const OWNERS: [&str; 2] = [
    "x-amz-expected-bucket-owner",
    "x-amz-source-expected-bucket-owner",
];

/// Admits requests with a complete signature, and counts them.
pub(super) struct SignedAccess(pub(super) Arc<Counter>);

#[async_trait::async_trait]
impl S3Access for SignedAccess {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        let query = context.uri().query();
        let signed = match query_value(query, "X-Amz-SignedHeaders") {
            Some(signed) => {
                check_expires(query_value(query, "X-Amz-Expires").as_deref())?;
                Some(signed)
            }
            None => signed_headers(context).map(str::to_owned),
        };
        let Some(signed) = signed else {
            return Err(s3_error!(
                InvalidRequest,
                "The authorization mechanism you have provided is not supported. Please use \
                 AWS4-HMAC-SHA256."
            ));
        };
        let in_query = presigned::headers(query);
        if in_query.iter().any(|(name, _)| name.starts_with("if-")) {
            return Err(errors::not_implemented());
        }
        let headers = context.headers();
        let differs = |(name, value): &(String, String)| {
            headers.get(name).map(HeaderValue::as_bytes) != Some(value.as_bytes())
        };
        if in_query.iter().any(differs) {
            return Err(s3_error!(
                InvalidArgument,
                "A header and a parameter of the same name differ"
            ));
        }
        let covered = |name: &str| {
            let mut signed = signed.split(';');
            signed.any(|signed| signed.eq_ignore_ascii_case(name))
                || in_query.iter().any(|(in_query, _)| in_query == name)
        };
        let must = |name: &&str| name.starts_with("x-amz-") && *name != NEED_NOT_BE_SIGNED;
        let names = headers.keys().map(http::HeaderName::as_str);
        if !covered("host") || names.filter(must).any(|name| !covered(name)) {
            return Err(s3_error!(
                AccessDenied,
                "There were headers present in the request which were not signed"
            ));
        }
        self.0.count("s3", context.s3_op().name());
        OWNERS
            .into_iter()
            .try_for_each(|name| check_owner(headers.get(name)))
    }
}

/// All buckets belong to the one account.
fn check_owner(expected: Option<&HeaderValue>) -> S3Result<()> {
    match expected.map(HeaderValue::as_bytes) {
        None => Ok(()),
        Some(expected) if expected == ACCOUNT.as_bytes() => Ok(()),
        Some(other) if other.len() == ACCOUNT.len() && other.iter().all(u8::is_ascii_digit) => {
            Err(s3_error!(AccessDenied, "Access Denied"))
        }
        Some(_) => Err(s3_error!(
            InvalidBucketOwnerAWSAccountID,
            "The value of the expected bucket owner parameter must be an AWS Account ID"
        )),
    }
}

/// The `SignedHeaders` of an `Authorization` header of Signature Version 4.
fn signed_headers<'a>(context: &'a S3AccessContext<'_>) -> Option<&'a str> {
    let authorization = context.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let fields = authorization.strip_prefix("AWS4-HMAC-SHA256")?.split(',');
    fields
        .map(str::trim)
        .find_map(|field| field.strip_prefix("SignedHeaders="))
}

fn check_expires(expires: Option<&str>) -> S3Result<()> {
    let seconds = expires.and_then(|seconds| seconds.parse::<u32>().ok());
    if seconds.is_some_and(|seconds| (1..=MAX_EXPIRES_SECONDS).contains(&seconds)) {
        return Ok(());
    }
    Err(s3_error!(
        AuthorizationQueryParametersError,
        "X-Amz-Expires must be between 1 second and a week"
    ))
}

fn query_value(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(found, _)| *found == name)?;
    percent_decode_str(value).decode_utf8().ok().map(Into::into)
}
