//! The page in `web/public`: `GET /` for browsers, and its files.
//!
//! Each file is at its own path, where it may change, and under a version, where it never does.

use axum::{
    Router,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use caas_http::AllowedOrigins;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The page of this deployment.
#[derive(Debug)]
pub(crate) struct Page {
    /// Depends on the policy too: a worker keeps the one that came with its file.
    version: String,
    policy: HeaderValue,
    index: File,
    service_worker: File,
}

/// A file of the page.
#[derive(Clone, Debug)]
struct File {
    path: &'static str,
    content_type: &'static str,
    e_tag: HeaderValue,
    content: Bytes,
    /// The same, in gzip; nothing for what is made at start.
    compressed: Option<Bytes>,
}

/// A browser may keep it, and asks each time whether it has changed.
const REVALIDATED: HeaderValue = HeaderValue::from_static("no-cache");
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

impl Page {
    /// `storage` is where presigned requests go.
    pub(crate) fn new(storage: &AllowedOrigins) -> Self {
        let policy = content_security_policy(storage);
        let version = short_hash(&[VERSION.as_bytes(), policy.as_bytes()]);
        let file = |path, content_type, text: &str| {
            let content = text.replace(VERSION, &version);
            let e_tag = format!("W/\"{}\"", short_hash(&[content.as_bytes()]));
            File {
                path,
                content_type,
                e_tag: HeaderValue::try_from(e_tag).expect("hexadecimal digits"),
                content: content.into(),
                compressed: None,
            }
        };
        Self {
            index: file("/", "text/html; charset=utf-8", INDEX),
            service_worker: file(
                "/service-worker.js",
                "text/javascript; charset=utf-8",
                SERVICE_WORKER,
            ),
            version,
            policy,
        }
    }

    /// The routes of the page's files.
    pub(crate) fn files(&self) -> Router<crate::State> {
        let mut routes = Router::new();
        for file in FILES.iter().chain([&self.service_worker]) {
            let versioned = format!("/{}{}", self.version, file.path);
            for (path, caching) in [(file.path, REVALIDATED), (&*versioned, IMMUTABLE)] {
                let file = file.clone();
                let serve = async move |State(service): State<crate::State>, headers: HeaderMap| {
                    file.respond(&headers, caching, &service.page.policy)
                };
                routes = routes.route(path, get(serve));
            }
        }
        routes
    }

    /// The page itself. `prefix` is where the service is on its host, such as `/Prod`: its links are relative, and a
    /// stage's URL does not end in a slash.
    pub(crate) fn index(&self, headers: &HeaderMap, prefix: &str) -> Response {
        let mut response = match prefix {
            "" => self.index.respond(headers, REVALIDATED, &self.policy),
            prefix => {
                let text = String::from_utf8_lossy(&self.index.content);
                let text = text.replace("\"./", &format!("\"{prefix}/"));
                self.index
                    .complete(text.into_response(), REVALIDATED, &self.policy)
            }
        };
        let vary = HeaderValue::from_static("accept");
        response.headers_mut().insert(header::VARY, vary);
        response
    }
}

/// Whether the request wants a page to look at.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    elements(headers, header::ACCEPT).any(|(name, _)| name.eq_ignore_ascii_case("text/html"))
}

/// The policy for the page and its workers: no script, style or connection of anybody else, and no text that becomes
/// a script. `storage` is where presigned requests go.
fn content_security_policy(storage: &AllowedOrigins) -> HeaderValue {
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
        } else if let Some(compressed) = &self.compressed
            && accepts_gzip(headers)
        {
            ([(header::CONTENT_ENCODING, "gzip")], compressed.clone()).into_response()
        } else {
            self.content.clone().into_response()
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
        headers.insert(header::ETAG, self.e_tag.clone());
        for (name, value) in [
            (header::CONTENT_TYPE, self.content_type),
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

/// The first eight bytes of the SHA-256 in hexadecimal digits.
fn short_hash(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..8])
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
