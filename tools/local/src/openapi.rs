//! The OpenAPI document of the whole API, merged from those of the functions.

use caas_clients::Scope;
use caas_http::{API_KEY_HEADER, Problem, ProblemDetails};
use utoipa::{
    OpenApi as _,
    openapi::{
        OpenApi,
        security::{
            ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
        },
    },
};

/// What the functions have in common.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "CaaS, Crypto as a Service",
        description = "Encryption for backends that do not want to own cryptography. Every error \
                       is a problem document (RFC 9457).",
        license(name = "Apache-2.0 or MIT", identifier = "Apache-2.0 OR MIT"),
    ),
    servers((url = "http://localhost:5000")),
    tags(
        (name = "Users' data", description = "Digests and reversible values, with each user's key"),
        (name = "Users' keys", description = "Versions, rotation and erasure of users' keys"),
        (name = "Stored files", description = "Files of any size, stored encrypted"),
        (name = "Session files", description = "Files returned encrypted; nothing is stored"),
        (name = "Service", description = "What runs here, and its limits"),
    ),
    security(("api_key" = []), ("bearer" = [])),
    components(schemas(ProblemDetails), responses(Problem)),
)]
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
    let header = ApiKey::Header(ApiKeyValue::new(API_KEY_HEADER.as_str()));
    let bearer = Http::new(HttpAuthScheme::Bearer);
    let components = api.components.get_or_insert_default();
    components.add_security_scheme("api_key", SecurityScheme::ApiKey(header));
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    require_scopes(&mut api);
    Ok(api.to_pretty_json()?)
}

/// Names the scope that each operation requires, in its requirements and for people. (An operation
/// repeats the global requirements, since openapi-python-client ignores those.)
fn require_scopes(api: &mut OpenApi) {
    for (path, item) in &mut api.paths.paths {
        let operations = [
            ("GET", &mut item.get),
            ("HEAD", &mut item.head),
            ("POST", &mut item.post),
            ("DELETE", &mut item.delete),
        ];
        for (method, operation) in operations {
            let (Some(operation), Some(scope)) = (operation, Scope::of_route(method, path)) else {
                continue;
            };
            let keyless = operation.security.as_deref().unwrap_or_default();
            let keyless = keyless
                .iter()
                .filter(|way| **way == SecurityRequirement::default());
            let mut ways: Vec<_> = keyless.cloned().collect();
            for scheme in ["api_key", "bearer"] {
                ways.push(SecurityRequirement::new(scheme, [scope.name()]));
            }
            operation.security = Some(ways);
            let description = operation.description.get_or_insert_default();
            if !description.is_empty() {
                description.push_str("\n\n");
            }
            description.push_str(&format!("Scope: `{scope}`."));
        }
    }
}
