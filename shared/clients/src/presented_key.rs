//! The API key of a request, wherever it is.

use caas_http::{API_KEY_HEADER, Problem, ProblemKind};
use http::{HeaderMap, header};

/// The key in `x-api-key` and `Authorization: Bearer`; `None` if there is none.
///
/// # Errors
/// `unauthorized`: they hold different keys.
pub(crate) fn key_in_headers(headers: &HeaderMap) -> Result<Option<&[u8]>, Problem> {
    let bearer = headers.get_all(header::AUTHORIZATION).iter();
    let bearer = bearer.filter_map(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked("Bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then_some(key)
    });
    let keys = headers.get_all(API_KEY_HEADER).iter();
    let keys = keys.map(http::HeaderValue::as_bytes).chain(bearer);
    keys.map(Some)
        .try_fold(None, |one, another| the_same(one, another))
}

/// One key in two places. A request has one key, however often it is sent.
///
/// # Errors
/// `unauthorized`: they are different keys.
pub(crate) fn the_same<'a>(
    one: Option<&'a [u8]>,
    another: Option<&'a [u8]>,
) -> Result<Option<&'a [u8]>, Problem> {
    match (one, another) {
        (Some(one), Some(another)) if one != another => Err(Problem::new(
            ProblemKind::Unauthorized,
            "The request has two different API keys. Send one.",
        )),
        (one, another) => Ok(one.or(another)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_one_key() {
        let x = |key| ("x-api-key", key);
        let bearer = |key| ("authorization", key);
        type Sent<'a> = &'a [(&'static str, &'a str)];
        type Found<'a> = Result<Option<&'a str>, ()>;
        let cases: &[(Sent<'_>, Option<&str>, Found<'_>)] = &[
            (&[], None, Ok(None)),
            (&[x("k")], None, Ok(Some("k"))),
            (&[x("")], None, Ok(Some(""))),
            (&[bearer("Bearer k")], None, Ok(Some("k"))),
            (&[bearer("bEARER k")], None, Ok(Some("k"))),
            (&[bearer("k")], None, Ok(None)),
            (&[bearer("Bearer")], None, Ok(None)),
            (&[bearer("Basic eDp5")], None, Ok(None)),
            (&[x("k"), bearer("Basic eDp5")], None, Ok(Some("k"))),
            (&[], Some("k"), Ok(Some("k"))),
            (&[x("k"), x("k")], None, Ok(Some("k"))),
            (&[x("k"), bearer("Bearer k")], Some("k"), Ok(Some("k"))),
            (&[x("k"), x("l")], None, Err(())),
            (&[x("k"), x("")], None, Err(())),
            (&[x("k"), bearer("Bearer l")], None, Err(())),
            (&[bearer("Bearer k"), bearer("Bearer l")], None, Err(())),
            (&[x("k")], Some("l"), Err(())),
            (&[x("k")], Some(""), Err(())),
            (&[x("")], Some("k"), Err(())),
        ];
        for (sent, in_body, expected) in cases {
            let headers = sent.iter();
            let headers =
                headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            let headers: HeaderMap = headers.collect();
            let key = key_in_headers(&headers);
            let key = key.and_then(|key| the_same(key, in_body.map(str::as_bytes)));
            let expected = expected.map(|key| key.map(str::as_bytes));
            assert_eq!(key.map_err(|_| ()), expected, "{sent:?} {in_body:?}");
        }
    }
}
