//! Every route that wants an API key, with a key of every scope.

use std::collections::BTreeSet;

use axum::body::Body;
use caas_clients::{ROUTES, Route, Scope, Scopes};
use caas_testing::{Stack, form, post_form, post_json, request, send, with};
use http::{Method, Request};
use serde_json::{Value, json};

use crate::support::{FILE, functions, key_with};

#[tokio::test]
async fn a_route_admits_exactly_its_scope() {
    let stack = Stack::start().await;
    let router = functions(&stack).await;
    let mut keys = vec![
        (Scopes::default(), key_with(&stack, Scopes::default()).await),
        (Scopes::all(), key_with(&stack, Scopes::all()).await),
    ];
    for scope in Scope::ALL {
        let only: Scopes = [*scope].into_iter().collect();
        keys.push((only, key_with(&stack, only).await));
    }
    for route in ROUTES {
        let path = route
            .path
            .replace("{uuid}", "0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e11");
        let path = path.replace("{id}", "YQ");
        let ask = async |key: Option<&str>| {
            let request = Request::builder().method(route.method).uri(&path);
            let request = request.header("content-type", "application/json");
            let request = match key {
                Some(key) => request.header("x-api-key", key),
                None => request,
            };
            send(&router, request.body(Body::empty()).unwrap()).await
        };
        for (scopes, key) in &keys {
            let response = ask(Some(key)).await;
            let admitted = !matches!(response.status.as_u16(), 401 | 403);
            assert_eq!(
                admitted,
                scopes.contains(route.scope),
                "{route:?} {scopes:?}"
            );
            if !admitted && route.method != "HEAD" {
                let detail = format!("The API key lacks the scope `{}`.", route.scope);
                assert_eq!(response.json()["detail"], detail, "{route:?}");
                response.is_problem(route.path, 403, "missing-scope");
            }
        }
        // `/encrypt` and the like read a body that may hold the key.
        let stranger = ask(None).await.status.as_u16();
        assert!(matches!(stranger, 400 | 401), "{route:?}");
        assert_eq!(ask(Some("unknown")).await.status, 401, "{route:?}");
    }
}

#[tokio::test]
async fn a_key_costs_each_function_one_request() {
    let stack = Stack::start().await;
    let router = functions(&stack).await;
    let key = key_with(&stack, Scopes::all()).await;
    let file = || post_form("/encrypt_file", form(&[(FILE, b"content")]));
    let list = || request(Method::GET, &key, "/api/files");
    let value = || {
        let user = "0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e11";
        let body = json!({"userUUID": user, "sensitiveData": "datum"});
        post_json("/encrypt", body.to_string())
    };
    for (case, request, expected) in [
        ("a session file", with(file(), "x-api-key", &key), (1, 0)),
        ("another", with(file(), "x-api-key", &key), (0, 0)),
        ("a listing, which costs one itself", list(), (2, 0)),
        ("another", list(), (1, 0)),
        (
            "a new user, who costs two and one",
            with(value(), "x-api-key", &key),
            (3, 1),
        ),
        ("the same user", with(value(), "x-api-key", &key), (0, 0)),
    ] {
        let (response, calls) = stack.calls_of(send(&router, request)).await;
        assert!(response.status.is_success(), "{case}: {}", response.text());
        assert_eq!((calls.s3(), calls.kms()), expected, "{case}: {calls:?}");
    }
}

/// Every operation that the document protects has a scope, and every route with a scope is
/// described, but for the spelling without a slash.
#[test]
fn the_document_protects_what_has_a_scope() {
    let document = include_str!("../../../../openapi.json");
    let document: Value = serde_json::from_str(document).unwrap();
    let mut protected = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let ways = operation["security"].as_array().unwrap();
            let mut scopes = ways.iter().filter_map(|way| way.get("api_key"));
            if let Some(scopes) = scopes.next() {
                let scope = scopes[0].as_str().unwrap().to_owned();
                protected.insert((method.to_uppercase(), path.clone(), scope));
            }
        }
    }
    let routes = ROUTES.iter().filter(|route| route.path != "/api/upload");
    let head = Route {
        method: "HEAD",
        path: "/api/files/{id}",
        scope: Scope::FilesRead,
    };
    let routes = routes.chain([&head]).map(|route| {
        let (method, path) = (route.method.to_owned(), route.path.to_owned());
        (method, path, route.scope.name().to_owned())
    });
    assert_eq!(protected, routes.collect());
}
