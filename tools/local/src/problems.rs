//! The registry of problems, for people.

use std::fmt::Write;

use caas_clients::{ROUTES, Scope};
use caas_http::{ProblemDefinition, ProblemKind};

/// `docs/problems.md`.
pub(crate) fn document() -> String {
    let mut text = "# Problems\n\n\
        Every error is a problem document ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)). Its `type` is \
        stable, and `GET` of it returns the entry below; `detail` says what went wrong this time.\n\n\
        | type | status | title | what to do |\n|---|---|---|---|\n"
        .to_owned();
    for kind in ProblemKind::ALL {
        let ProblemDefinition {
            status,
            title,
            remedy,
            ..
        } = kind.definition();
        let uri = kind.uri();
        let _ = writeln!(text, "| `{uri}` | {status} | {title} | {remedy} |");
    }
    text.push_str(
        "\n## Scopes\n\nAn API key of the registry has some of these scopes; a key of the setting \
         `API_KEYS` has all.\n\n| scope | allows | routes |\n|---|---|---|\n",
    );
    for scope in Scope::ALL {
        let routes = ROUTES.iter().filter(|route| route.scope == *scope);
        let routes = routes.map(|route| format!("`{} {}`", route.method, route.path));
        let routes: Vec<_> = routes.collect();
        let (allows, routes) = (scope.allows(), routes.join(", "));
        let _ = writeln!(text, "| `{scope}` | {allows} | {routes} |");
    }
    text
}
