//! Refuses requests for other hosts: a web page whose name resolves to this machine must not reach
//! it (DNS rebinding).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::Response,
};
use caas_http::{Problem, ProblemKind};
use http::{header, uri::Authority};

/// Adds the check to every route. `host` is served besides loopback, and with it every address: only a
/// name can be made to resolve to this machine.
pub(crate) fn guard(routes: Router, host: Option<String>) -> Router {
    routes.layer(middleware::from_fn(move |request, next| {
        check(host.clone(), request, next)
    }))
}

async fn check(served: Option<String>, request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let in_header = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok().and_then(authority),
        _ => None,
    };
    let Some(in_header) = in_header else {
        return Problem::invalid("Send one Host header, with the name or address of this service.")
            .into_complete_response();
    };
    let in_target = request.uri().authority();
    if [Some(&in_header), in_target]
        .into_iter()
        .flatten()
        .all(|authority| is_served(authority, served.as_deref()))
    {
        return next.run(request).await;
    }
    tracing::warn!("refused a request for another host");
    Problem::new(
        ProblemKind::MisdirectedRequest,
        "Use the host localhost, 127.0.0.1 or [::1], or the one that --host names.",
    )
    .into_complete_response()
}

/// A host and perhaps a port (RFC 9110 §7.2).
fn authority(host: &str) -> Option<Authority> {
    let authority = host.parse().ok();
    authority.filter(|_| !host.contains('@'))
}

fn is_served(authority: &Authority, served: Option<&str>) -> bool {
    let name = authority.host();
    let v6 = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = match v6 {
        Some(v6) => v6.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => name.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    };
    match address {
        Some(address) => address.is_loopback() || served.is_some(),
        None => {
            let is_name = |served: &str| name.eq_ignore_ascii_case(served);
            is_name("localhost") || served.is_some_and(is_name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serves(host: &str, served: Option<&str>) -> Option<bool> {
        authority(host).map(|authority| is_served(&authority, served))
    }

    #[test]
    fn only_loopback_and_the_named_host_are_served() {
        for host in [
            "localhost",
            "LOCALHOST:5000",
            "127.0.0.1:80",
            "127.9.8.7",
            "[::1]:5000",
            "[::1]",
        ] {
            assert_eq!(serves(host, None), Some(true), "{host}");
        }
        for host in ["10.0.0.1", "0.0.0.0:5000", "[::2]", "caas", "CAAS:5000"] {
            assert_eq!(serves(host, None), Some(false), "{host}");
            assert_eq!(serves(host, Some("caas")), Some(true), "{host}");
        }
        for host in [
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com",
        ] {
            assert_eq!(serves(host, Some("caas")), Some(false), "{host}");
        }
        for host in ["", "user@localhost", "[::1", "localhost/", "a b"] {
            assert_eq!(serves(host, None), None, "{host}");
        }
    }
}
