//! The page and its files.

use axum::{Router, body::Body};
use caas_testing::{TestResponse, send};
use http::{Request, StatusCode};

use crate::support::{STORAGE, router, router_with_storage};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn get(router: &Router, path: &str, headers: &[(&str, &str)]) -> TestResponse {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(router, request.body(Body::empty()).unwrap()).await
}

/// The path of the first link that ends so.
fn link(page: &TestResponse, end: &str) -> String {
    let page = page.text();
    let links = page.split('"').filter(|part| part.starts_with("./"));
    let link = links
        .map(|link| &link[1..])
        .find(|link| link.ends_with(end));
    link.unwrap().to_owned()
}

#[tokio::test]
async fn browsers_get_the_page_and_others_a_line() {
    let router = router(false).await;
    for (accept, is_page) in [
        (&[("accept", BROWSER)][..], true),
        (&[("accept", "Text/HTML")], true),
        (&[("accept", "*/*")], false),
        (&[("accept", "text/plain")], false),
        (&[], false),
    ] {
        let response = get(&router, "/", accept).await;
        assert_eq!(response.status, StatusCode::OK);
        assert_eq!(
            response.text().starts_with("<!doctype html>"),
            is_page,
            "{accept:?}"
        );
        assert!(response.header("vary").starts_with("accept"), "{accept:?}");
    }
}

/// No script or style in the text, nothing of anybody else, and no text that becomes a script.
#[tokio::test]
async fn the_policy_allows_the_pages_own_files_and_the_storage() {
    let router = router(false).await;
    let page = get(&router, "/", &[("accept", BROWSER)]).await;
    let script = link(&page, "page/main.mjs");
    for response in [page, get(&router, &script, &[]).await] {
        let policy = response.header("content-security-policy");
        for part in [
            "default-src 'none';",
            "script-src 'self' 'wasm-unsafe-eval';",
            "style-src 'self';",
            &format!("connect-src 'self' {STORAGE};"),
            "worker-src 'self';",
            "frame-ancestors 'none';",
            "require-trusted-types-for 'script';",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"));
        assert_eq!(response.header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(response.header("x-content-type-options"), "nosniff");
        assert_eq!(response.header("referrer-policy"), "no-referrer");
    }
}

#[tokio::test]
async fn versioned_files_never_change_and_others_are_revalidated() {
    let router = router(false).await;
    let page = get(&router, "/", &[("accept", BROWSER)]).await;
    let versioned = &*link(&page, "style.css");
    let (immutable, no_cache) = ("public, max-age=31536000, immutable", "no-cache");
    for (path, accept, caching, content_type) in [
        ("/", BROWSER, no_cache, "text/html; charset=utf-8"),
        (versioned, "*/*", immutable, "text/css; charset=utf-8"),
        ("/style.css", "*/*", no_cache, "text/css; charset=utf-8"),
        (
            "/service-worker.js",
            "*/*",
            no_cache,
            "text/javascript; charset=utf-8",
        ),
    ] {
        let file = get(&router, path, &[("accept", accept)]).await;
        assert_eq!(file.status, StatusCode::OK, "{path}");
        assert_eq!(file.header("cache-control"), caching, "{path}");
        assert_eq!(file.header("content-type"), content_type);
        let e_tag = file.header("etag");
        for (tag, status) in [(e_tag, 304), ("W/\"0\"", 200)] {
            let known = [("accept", accept), ("if-none-match", tag)];
            let again = get(&router, path, &known).await;
            assert_eq!(again.status, status, "{path}");
            assert_eq!(again.header("etag"), e_tag);
            assert_eq!(again.body.is_empty(), status == 304);
        }
    }
    let older = versioned.replacen(|c: char| c.is_ascii_hexdigit(), "x", 1);
    assert_eq!(
        get(&router, &older, &[]).await.status,
        StatusCode::NOT_FOUND
    );
}

/// A browser keeps a file with the policy that came with it, and a worker obeys that one.
#[tokio::test]
async fn another_policy_gives_the_files_other_versions() {
    let mut workers = Vec::new();
    for storage in [STORAGE, STORAGE, "https://other.example"] {
        let router = router_with_storage(storage).await;
        let page = get(&router, "/", &[("accept", BROWSER)]).await;
        let service_worker = get(&router, "/service-worker.js", &[]).await;
        let version = link(&page, "style.css").replace("/style.css", "");
        assert!(service_worker.text().contains(&version[1..]));
        let worker = format!("{version}/caas/worker.mjs");
        let response = get(&router, &worker, &[]).await;
        assert!(
            response
                .header("content-security-policy")
                .contains(&format!("connect-src 'self' {storage};"))
        );
        workers.push((router, worker, page.header("etag").to_owned()));
    }
    let [(_, first, tag), (_, again, same_tag), (_, other, other_tag)] = &workers[..] else {
        unreachable!()
    };
    assert_eq!((first, tag), (again, same_tag));
    assert!(first != other && tag != other_tag);
    let (router, ..) = &workers[2];
    assert_eq!(get(router, first, &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn files_are_compressed_for_those_who_can_read_it() {
    let router = router(false).await;
    let plain = get(&router, "/style.css", &[]).await;
    assert_eq!(plain.header("content-encoding"), "");
    for (accepted, is_compressed) in [
        ("gzip, deflate, br, zstd", true),
        ("br, GZIP;q=0.5", true),
        ("gzip;q=0", false),
        ("br", false),
    ] {
        let file = get(&router, "/style.css", &[("accept-encoding", accepted)]).await;
        assert_eq!(
            file.header("content-encoding") == "gzip",
            is_compressed,
            "{accepted}"
        );
        assert_eq!(
            file.body.starts_with(b"\x1f\x8b"),
            is_compressed,
            "{accepted}"
        );
        assert_eq!(file.header("vary"), "accept-encoding");
        assert_eq!(file.header("etag"), plain.header("etag"));
    }
}

/// What a browser keeps for when there is no connection is exactly what the page consists of.
#[tokio::test]
async fn the_service_worker_names_files_that_exist() {
    let router = router(false).await;
    let worker = get(&router, "/service-worker.js", &[]).await;
    let worker = worker.text();
    let (_, list) = worker.split_once("const FILES = [").unwrap();
    let (list, _) = list.split_once(']').unwrap();
    let files: Vec<_> = list
        .split(',')
        .map(|file| file.trim().trim_matches('"'))
        .collect();
    assert!(
        files.iter().any(|file| file.ends_with("/page/main.mjs")),
        "{files:?}"
    );
    for file in files {
        let response = get(&router, &format!("/{file}"), &[]).await;
        assert_eq!(response.status, StatusCode::OK, "{file}");
    }
}
