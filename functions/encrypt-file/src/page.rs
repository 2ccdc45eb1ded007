//! The page in `web/public`: `GET /` for browsers, and its files.
//!
//! Each file is at its own path, where it may change, and under [`VERSION`], where it never does.

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use caas_http::AllowedOrigins;
use http::{HeaderMap, HeaderValue, StatusCode, header};

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// A file of the page.
#[derive(Clone, Copy)]
struct File {
    path: &'static str,
    content_type: &'static str,
    e_tag: &'static str,
    content: &'static [u8],
    /// The same, in gzip.
    compressed: &'static [u8],
}

/// A browser may keep it, and asks each time whether it has changed.
const REVALIDATED: HeaderValue = HeaderValue::from_static("no-cache");
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The routes of the page's files.
pub(crate) fn files() -> Router<crate::State> {
    let mut routes = Router::new();
    for file in FILES {
        let versioned = format!("/{VERSION}{}", file.path);
        for (path, caching) in [(file.path, REVALIDATED), (&*versioned, IMMUTABLE)] {
            let serve = async move |State(service): State<crate::State>, headers: HeaderMap| {
                file.respond(&headers, caching, &service.content_security_policy)
            };
            routes = routes.route(path, get(serve));
        }
    }
    routes
}

/// The page itself. `prefix` is where the service is on its host, such as `/Prod`: its links are relative, and a
/// stage's URL does not end in a slash.
pub(crate) fn index(headers: &HeaderMap, prefix: &str, policy: &HeaderValue) -> Response {
    let mut response = match prefix {
        "" => INDEX.respond(headers, REVALIDATED, policy),
        prefix => {
            let text = String::from_utf8_lossy(INDEX.content);
            let text = text.replace("\"./", &format!("\"{prefix}/"));
            INDEX.complete(text.into_response(), REVALIDATED, policy)
        }
    };
    let vary = HeaderValue::from_static("accept, accept-encoding");
    response.headers_mut().insert(header::VARY, vary);
    response
}

/// Whether the request wants a page to look at.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    elements(headers, header::ACCEPT).any(|(name, _)| name.eq_ignore_ascii_case("text/html"))
}

/// The policy for the page and its workers: no script, style or connection of anybody else, and no text that becomes
/// a script. `storage` is where presigned requests go.
pub(crate) fn content_security_policy(storage: &AllowedOrigins) -> HeaderValue {
    let storage: String = storage.iter().map(|origin| format!(" {origin}")).collect();
    let policy = format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; \
         connect-src 'self'{storage}; worker-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types caas caas-page"
    );
    HeaderValue::try_from(policy).expect("origins are text for headers")
}

impl File {
    fn respond(&self, headers: &HeaderMap, caching: HeaderValue, policy: &HeaderValue) -> Response {
        let response = if elements(headers, header::IF_NONE_MATCH).any(|(tag, _)| tag == self.e_tag)
        {
            StatusCode::NOT_MODIFIED.into_response()
        } else if accepts_gzip(headers) {
            ([(header::CONTENT_ENCODING, "gzip")], self.compressed).into_response()
        } else {
            self.content.into_response()
        };
        self.complete(response, caching, policy)
    }

    fn complete(
        &self,
        mut response: Response,
        caching: HeaderValue,
        policy: &HeaderValue,
    ) -> Response {
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_TYPE, self.content_type),
            (header::ETAG, self.e_tag),
            (header::VARY, "accept-encoding"),
            (header::REFERRER_POLICY, "no-referrer"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(
            "cross-origin-opener-policy",
            HeaderValue::from_static("same-origin"),
        );
        headers.insert(header::CACHE_CONTROL, caching);
        headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
        response
    }
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut encodings = elements(headers, header::ACCEPT_ENCODING);
    encodings.any(|(name, parameters)| {
        let refused = matches!(parameters.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
        name.eq_ignore_ascii_case("gzip") && !refused
    })
}

/// The elements of a header that is a list, each with what follows its `;`.
fn elements(headers: &HeaderMap, name: http::HeaderName) -> impl Iterator<Item = (&str, &str)> {
    let values = headers.get_all(name).into_iter();
    let elements = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    elements.map(|element| {
        let (name, parameters) = element.split_once(';').unwrap_or((element, ""));
        (name.trim(), parameters)
    })
}
