//! CORS: requests from pages of other origins.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html>

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
        CONTENT_TYPE, ORIGIN, VARY,
    },
};
use percent_encoding::percent_decode_str;
use s3s::{S3Request, S3Response, S3Result, dto::*, s3_error};

use super::Api;
use crate::store::{Store, record::CorsRuleRecord};

const MAX_RULES: usize = 100;
const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];

pub(super) async fn put_bucket_cors(
    api: &Api,
    req: S3Request<PutBucketCorsInput>,
) -> S3Result<S3Response<PutBucketCorsOutput>> {
    let bucket = api.store.bucket(&req.input.bucket)?;
    let rules = req.input.cors_configuration.cors_rules;
    if rules.is_empty() || rules.len() > MAX_RULES {
        return Err(s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published \
             schema"
        ));
    }
    let rules: Vec<CorsRuleRecord> = rules.into_iter().map(rule).collect::<S3Result<_>>()?;
    api.store
        .run(move || bucket.change_settings(|settings| settings.cors = rules))
        .await?;
    Ok(S3Response::new(PutBucketCorsOutput::default()))
}

pub(super) async fn get_bucket_cors(
    api: &Api,
    req: S3Request<GetBucketCorsInput>,
) -> S3Result<S3Response<GetBucketCorsOutput>> {
    let bucket = api.store.bucket(&req.input.bucket)?;
    let rules = bucket.settings().cors.clone();
    if rules.is_empty() {
        return Err(s3_error!(
            NoSuchCORSConfiguration,
            "The CORS configuration does not exist"
        ));
    }
    let rules = rules.into_iter().map(|rule| CORSRule {
        allowed_headers: Some(rule.allowed_headers),
        allowed_methods: rule.allowed_methods,
        allowed_origins: rule.allowed_origins,
        expose_headers: Some(rule.expose_headers),
        id: rule.id,
        max_age_seconds: rule.max_age_seconds,
    });
    Ok(S3Response::new(GetBucketCorsOutput {
        cors_rules: Some(rules.collect()),
    }))
}

pub(super) async fn delete_bucket_cors(
    api: &Api,
    req: S3Request<DeleteBucketCorsInput>,
) -> S3Result<S3Response<DeleteBucketCorsOutput>> {
    let bucket = api.store.bucket(&req.input.bucket)?;
    api.store
        .run(move || bucket.change_settings(|settings| settings.cors.clear()))
        .await?;
    Ok(S3Response::new(DeleteBucketCorsOutput::default()))
}

fn rule(rule: CORSRule) -> S3Result<CorsRuleRecord> {
    if let Some(method) = rule
        .allowed_methods
        .iter()
        .find(|m| !METHODS.contains(&m.as_str()))
    {
        return Err(s3_error!(
            InvalidRequest,
            "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
        ));
    }
    let allowed_headers = rule.allowed_headers.unwrap_or_default();
    let patterns = || rule.allowed_origins.iter().chain(&allowed_headers);
    if rule.allowed_methods.is_empty()
        || rule.allowed_origins.is_empty()
        || patterns().any(|pattern| pattern.matches('*').count() > 1)
    {
        return Err(s3_error!(
            InvalidRequest,
            "A CORS rule needs methods and origins, with at most one wildcard each"
        ));
    }
    Ok(CorsRuleRecord {
        id: rule.id,
        allowed_origins: rule.allowed_origins,
        allowed_methods: rule.allowed_methods,
        allowed_headers,
        expose_headers: rule.expose_headers.unwrap_or_default(),
        max_age_seconds: rule.max_age_seconds,
    })
}

/// A browser's request from a page of another origin.
pub(super) struct Browser {
    origin: String,
    /// The method of the request, or the one that a preflight announces.
    method: String,
    bucket: String,
    /// The headers that a preflight announces, in lower case; None for the request itself.
    asked: Option<Vec<String>>,
}

impl Browser {
    /// None when the request names no origin.
    pub(super) fn of<B>(request: &Request<B>) -> Option<Self> {
        let origin = text(request.headers(), ORIGIN)?.to_owned();
        let path = percent_decode_str(request.uri().path()).decode_utf8_lossy();
        let bucket = path.split('/').nth(1).unwrap_or_default().to_owned();
        if request.method() != Method::OPTIONS {
            let method = request.method().to_string();
            return Some(Self {
                origin,
                method,
                bucket,
                asked: None,
            });
        }
        let method = text(request.headers(), ACCESS_CONTROL_REQUEST_METHOD)?.to_owned();
        let asked = text(request.headers(), ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
        let asked = asked
            .split(',')
            .map(|name| name.trim().to_ascii_lowercase());
        let asked = Some(asked.filter(|name| !name.is_empty()).collect());
        Some(Self {
            origin,
            method,
            bucket,
            asked,
        })
    }

    pub(super) fn is_preflight(&self) -> bool {
        self.asked.is_some()
    }

    /// The response to a preflight, which is never signed.
    pub(super) fn preflight(&self, store: &Store) -> Response<s3s::Body> {
        let mut response = Response::new(s3s::Body::empty());
        if !self.allow(store, response.headers_mut()) {
            *response.status_mut() = StatusCode::FORBIDDEN;
            let xml = HeaderValue::from_static("application/xml");
            response.headers_mut().insert(CONTENT_TYPE, xml);
            *response.body_mut() = s3s::Body::from(String::from(
                "<Error><Code>AccessForbidden</Code><Message>CORSResponse: This CORS request is \
                 not allowed.</Message></Error>",
            ));
        }
        response
    }

    /// Adds the headers of the first rule that allows the request; false when none does.
    pub(super) fn allow(&self, store: &Store, headers: &mut HeaderMap) -> bool {
        let Ok(bucket) = store.bucket(&self.bucket) else {
            return false;
        };
        let settings = bucket.settings();
        let Some(rule) = settings.cors.iter().find(|rule| self.is_allowed_by(rule)) else {
            return false;
        };
        let mut add = |name: HeaderName, value: &str| {
            headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        };
        if rule.allowed_origins.iter().any(|origin| origin == "*") {
            add(ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        } else {
            add(ACCESS_CONTROL_ALLOW_ORIGIN, &self.origin);
            add(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        add(
            ACCESS_CONTROL_ALLOW_METHODS,
            &rule.allowed_methods.join(", "),
        );
        if let Some(asked) = self.asked.as_ref().filter(|asked| !asked.is_empty()) {
            add(ACCESS_CONTROL_ALLOW_HEADERS, &asked.join(", "));
        }
        if !rule.expose_headers.is_empty() {
            add(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                &rule.expose_headers.join(", "),
            );
        }
        if let Some(seconds) = rule.max_age_seconds {
            add(ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
        }
        add(
            VARY,
            "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
        );
        true
    }

    fn is_allowed_by(&self, rule: &CorsRuleRecord) -> bool {
        let origin = |pattern: &String| matches(pattern, &self.origin);
        let header = |name: &String| {
            let lower = |pattern: &String| matches(&pattern.to_ascii_lowercase(), name);
            rule.allowed_headers.iter().any(lower)
        };
        rule.allowed_origins.iter().any(origin)
            && rule.allowed_methods.contains(&self.method)
            && self.asked.iter().flatten().all(header)
    }
}

/// Whether a text matches a pattern with at most one `*`.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => {
            text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end)
        }
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_one_wildcard() {
        for (pattern, text, expected) in [
            ("http://a", "http://a", true),
            ("http://a", "http://ab", false),
            ("*", "anything", true),
            ("http://*.example", "http://a.example", true),
            ("http://*.example", "http://.example", true),
            ("http://*.example", "https://a.example", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
