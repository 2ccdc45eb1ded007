//! Refuses requests for other hosts: a web page whose name resolves to this machine must not reach
//! it (DNS rebinding).

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::Response,
};
use caas_http::{Problem, ProblemKind};
use http::{header, uri::Authority};

/// Adds the check to every route.
pub(crate) fn guard(routes: Router) -> Router {
    routes.layer(middleware::from_fn(check))
}

async fn check(request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let in_header = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().is_ok_and(is_loopback),
        _ => false,
    };
    let in_target = request
        .uri()
        .authority()
        .is_none_or(|target| is_loopback(target.as_str()));
    if in_header && in_target {
        return next.run(request).await;
    }
    tracing::warn!("refused a request for another host");
    Problem::new(
        ProblemKind::MisdirectedRequest,
        "This service is on loopback only: use the host localhost, 127.0.0.1 or [::1].",
    )
    .into_complete_response()
}

fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let v6 = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    !host.contains('@')
        && (name.eq_ignore_ascii_case("localhost")
            || name.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
            || v6.is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_served() {
        for host in [
            "localhost",
            "LOCALHOST:5000",
            "127.0.0.1:80",
            "127.9.8.7",
            "[::1]:5000",
            "[::1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "user@localhost",
            "10.0.0.1",
            "0.0.0.0",
            "[::2]",
            "[::1",
            "localhost/",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
