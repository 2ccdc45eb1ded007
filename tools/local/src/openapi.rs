//! The OpenAPI document of the whole API, merged from those of the functions.

use caas_http::{API_KEY_HEADER, ProblemDetails};
use utoipa::{
    OpenApi as _,
    openapi::{
        Info, Server,
        security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
    },
};

/// What every operation refers to.
#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(ProblemDetails)))]
struct Shared;

/// `openapi.json`.
pub(crate) fn document() -> anyhow::Result<String> {
    let mut api = Shared::openapi();
    for function in [
        encrypt_data::openapi(),
        encrypt_file::openapi(),
        upload_file::openapi(),
    ] {
        api.merge(function);
    }
    let mut info = Info::new("CaaS, Crypto as a Service", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Encryption for backends that do not want to own cryptography. Every error is a problem \
         document (RFC 9457)."
            .to_owned(),
    );
    info.license = None;
    api.info = info;
    api.servers = Some(vec![Server::new("http://localhost:5000")]);
    let components = api.components.get_or_insert_default();
    let schemes = [
        (
            "api_key",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(API_KEY_HEADER.as_str()))),
        ),
        (
            "bearer",
            SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
        ),
    ];
    for (name, scheme) in schemes {
        components.add_security_scheme(name, scheme);
    }
    Ok(api.to_pretty_json()?)
}
