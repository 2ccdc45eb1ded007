//! Tags of objects.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html>

use std::collections::BTreeMap;

use http::StatusCode;
use percent_encoding::percent_decode_str;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result, dto::*, s3_error};

use super::{Api, output::shown_version_id, reading};

/// The limits of S3; lengths in characters.
const MAX_TAGS: usize = 10;
const MAX_NAME: usize = 128;
const MAX_VALUE: usize = 256;

type Tags = BTreeMap<String, String>;

pub(super) async fn put_object_tagging(
    api: &Api,
    req: S3Request<PutObjectTaggingInput>,
) -> S3Result<S3Response<PutObjectTaggingOutput>> {
    let input = req.input;
    let tags = input.tagging.tag_set.into_iter();
    let tags = tags.map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()));
    let duplicate = s3_error!(InvalidTag, "Cannot provide multiple Tags with the same key");
    let tags = checked(tags, duplicate)?;
    let id = input.version_id.as_deref();
    let version_id = replace(api, &input.bucket, &input.key, id, tags).await?;
    Ok(S3Response::new(PutObjectTaggingOutput { version_id }))
}

pub(super) async fn delete_object_tagging(
    api: &Api,
    req: S3Request<DeleteObjectTaggingInput>,
) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
    let input = req.input;
    let id = input.version_id.as_deref();
    let version_id = replace(api, &input.bucket, &input.key, id, Tags::new()).await?;
    Ok(S3Response::new(DeleteObjectTaggingOutput { version_id }))
}

pub(super) async fn get_object_tagging(
    api: &Api,
    req: S3Request<GetObjectTaggingInput>,
) -> S3Result<S3Response<GetObjectTaggingOutput>> {
    let input = req.input;
    let bucket = api.store.bucket(&input.bucket)?;
    let found = reading::find(&bucket, &input.key, input.version_id.as_deref())?;
    let tags = found.object.attributes.tags.into_iter();
    let tags = tags.map(|(key, value)| Tag {
        key: Some(key),
        value: Some(value),
    });
    Ok(S3Response::new(GetObjectTaggingOutput {
        tag_set: tags.collect(),
        version_id: shown_version_id(&bucket, &found.version),
    }))
}

async fn replace(
    api: &Api,
    bucket: &str,
    key: &str,
    id: Option<&str>,
    tags: Tags,
) -> S3Result<Option<String>> {
    let bucket = api.store.bucket(bucket)?;
    let version = reading::find(&bucket, key, id)?.version;
    api.store.set_tags(&bucket, key, version.id(), tags).await?;
    Ok(shown_version_id(&bucket, &version))
}

/// The tags in the header of a write: a query string.
pub(super) fn parse(header: Option<&str>) -> S3Result<Tags> {
    let malformed = || {
        s3_error!(
            InvalidArgument,
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query \
             parameters without tag name duplicates."
        )
    };
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        let text = percent_decode_str(&text).decode_utf8();
        text.map(Into::into).map_err(|_| malformed())
    };
    let pairs = header.unwrap_or_default().split('&');
    let pairs = pairs.filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decoded(name)?, decoded(value)?))
    });
    let pairs: Vec<_> = pairs.collect::<S3Result<_>>()?;
    checked(pairs.into_iter(), malformed())
}

fn checked(pairs: impl Iterator<Item = (String, String)>, duplicate: S3Error) -> S3Result<Tags> {
    let mut tags = Tags::new();
    for (name, value) in pairs {
        if name.starts_with("aws:") {
            let message = "System tags cannot be added/updated by requester";
            return Err(S3Error::with_message(S3ErrorCode::InvalidTag, message));
        }
        if name.is_empty() || !is_legal(&name, MAX_NAME) {
            let message = "The TagKey you have provided is invalid";
            return Err(S3Error::with_message(S3ErrorCode::InvalidTag, message));
        }
        if !is_legal(&value, MAX_VALUE) {
            let message = "The TagValue you have provided is invalid";
            return Err(S3Error::with_message(S3ErrorCode::InvalidTag, message));
        }
        if tags.insert(name, value).is_some() {
            return Err(duplicate);
        }
    }
    if tags.len() > MAX_TAGS {
        let code = S3ErrorCode::Custom("BadRequest".into());
        let mut error = S3Error::with_message(code, "Object tags cannot be greater than 10");
        error.set_status_code(StatusCode::BAD_REQUEST);
        return Err(error);
    }
    Ok(tags)
}

fn is_legal(text: &str, limit: usize) -> bool {
    let is_legal = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
    text.chars().count() <= limit && text.chars().all(is_legal)
}
