//! What the routes answer.

use axum::body::Body;
use base64::{Engine, prelude::BASE64_STANDARD};
use caas_crypto::session;
use caas_http::ProblemKind;
use caas_testing::{API_KEY, form, post_form, with};
use http::{Request, StatusCode};
use serde_json::json;

use crate::support::{FILE, KEY, MAX_BODY_BYTES, URL, call};

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

/// A form with one small file.
fn encrypt() -> Request<Body> {
    post_form("/encrypt_file", form(&[(FILE, b"x")]))
}

#[tokio::test]
async fn a_file_goes_in_and_comes_out() {
    let attachment = |name| format!("attachment; filename=\"{name}\"; filename*=UTF-8''{name}");
    for len in [0, 1, 15, 16, 17, 90_000] {
        let content: Vec<u8> = (0..len).map(|i: u32| (i * 7) as u8).collect();
        let sealed = call(true, post_form("/encrypt_file", form(&[(FILE, &content)]))).await;
        assert_eq!(sealed.status, StatusCode::OK);
        assert_eq!(sealed.header("content-type"), "application/octet-stream");
        let disposition = sealed.header("content-disposition");
        assert_eq!(disposition, attachment("a.txt.enc"));
        assert_eq!(sealed.body.len(), content.len() + 28);
        let key = sealed.header("encryption-key");
        assert_eq!(key.len(), 43);

        let named = r#"Content-Disposition: form-data; name="file"; filename="a.txt.enc""#;
        let in_form = form(&[(named, &sealed.body), (KEY, key.as_bytes())]);
        let in_header = post_form("/decrypt_file", form(&[(named, &sealed.body)]));
        let in_header = with(in_header, "encryption-key", key);
        for request in [post_form("/decrypt_file", in_form), in_header] {
            let opened = call(true, request).await;
            assert_eq!(opened.status, StatusCode::OK);
            assert_eq!(opened.header("content-type"), "application/octet-stream");
            let disposition = opened.header("content-disposition");
            assert_eq!(disposition, attachment("a.txt"));
            assert!(opened.body == content);
        }
    }
}

/// A client that sees no headers gets name, key and file in the body.
#[tokio::test]
async fn json_holds_the_key_too() {
    for (accept, is_json) in [
        ("application/json", true),
        ("Application/JSON; charset=utf-8", true),
        ("application/json, text/plain, */*", false),
        ("application/octet-stream, application/json", false),
        ("*/*", false),
    ] {
        let request = post_form("/encrypt_file", form(&[(FILE, b"content")]));
        let sealed = call(true, with(request, "accept", accept)).await;
        assert_eq!(sealed.status, StatusCode::OK, "{accept}");
        let in_header = sealed.header("encryption-key");
        let body = if is_json {
            assert_eq!(sealed.header("content-type"), "application/json");
            let body = sealed.json();
            assert_eq!(
                (&body["name"], &body["key"]),
                (&json!("a.txt.enc"), &json!(in_header))
            );
            BASE64_STANDARD
                .decode(body["file"].as_str().unwrap())
                .unwrap()
        } else {
            sealed.body.clone()
        };
        let opened = session::open(&in_header.parse().unwrap(), body).unwrap();
        assert_eq!(opened, b"content", "{accept}");
    }
}

/// A browser would save the file and discard the key.
#[tokio::test]
async fn a_form_navigation_gets_a_page_and_no_file() {
    for (name, value) in [
        ("sec-fetch-mode", "navigate"),
        (
            "accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        ),
    ] {
        let request = post_form("/encrypt_file", form(&[(FILE, b"content")]));
        let page = call(true, with(request, name, value)).await;
        assert_eq!(page.status, StatusCode::NOT_ACCEPTABLE);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(page.header("content-disposition"), "");
        assert!(page.text().contains("Encryption-Key"), "{}", page.text());
    }
}

#[tokio::test]
async fn text_fields_that_a_framework_adds_are_skipped() {
    let token = r#"Content-Disposition: form-data; name="csrfmiddlewaretoken""#;
    let parts = form(&[(token, b"abc"), (FILE, b"content"), (token, b"abc")]);
    let response = call(true, post_form("/encrypt_file", parts)).await;
    assert_eq!(response.status, StatusCode::OK);
}

#[tokio::test]
async fn names_survive_every_client() {
    for (sent, answered) in [
        (r#"filename="plain.txt""#, "plain.txt.enc"),
        (r#"filename="C:\dir\win.txt""#, "win.txt.enc"),
        (r#"filename="/abs/\"quoted\".txt""#, "%22quoted%22.txt.enc"),
        (r#"filename="b %22x%22.txt""#, "b%20%22x%22.txt.enc"),
        (r#"filename="été.txt""#, "%C3%A9t%C3%A9.txt.enc"),
        (r#"filename="""#, "file.enc"),
        (r#"filename="..""#, "file.enc"),
        ("x=y", "file.enc"),
    ] {
        let headers = format!(r#"Content-Disposition: form-data; name="file"; {sent}"#);
        let answer = call(true, post_form("/encrypt_file", form(&[(&headers, b"x")]))).await;
        let disposition = answer.header("content-disposition");
        let (_, name) = disposition.rsplit_once("UTF-8''").unwrap();
        assert_eq!(name, answered, "{sent}");
    }
}

#[tokio::test]
async fn closed_routes_want_a_key_and_open_ones_do_not() {
    let with_key = |key| with(encrypt(), "x-api-key", key);
    for (case, public, request, status) in [
        ("no key", false, encrypt(), 401),
        ("a wrong key", false, with_key("wrong"), 401),
        ("a key", false, with_key(API_KEY), 200),
        ("an open route", true, encrypt(), 200),
    ] {
        assert_eq!(call(public, request).await.status, status, "{case}");
    }
}

#[tokio::test]
async fn the_service_describes_itself() {
    let index = call(false, get("/")).await;
    assert_eq!(index.status, StatusCode::OK);
    assert!(index.text().contains("is running"));

    let limits = json!({"max_body_bytes": MAX_BODY_BYTES});
    let version = env!("CARGO_PKG_VERSION");
    let expected = json!({"status": "ok", "version": version, "limits": limits});
    assert_eq!(call(false, get("/health")).await.json(), expected);
}

#[tokio::test]
async fn the_description_is_of_this_deployment() {
    for public in [true, false] {
        let mut request = get("/openapi.json");
        for header in ["host", "x-forwarded-host", "forwarded"] {
            request = with(request, header, "host=evil.example");
        }
        let openapi = call(public, request).await;
        assert_eq!(openapi.header("content-type"), "application/json");
        let api = openapi.json();
        assert_eq!(api["servers"], json!([{"url": URL}]));
        let encrypted = &api["paths"]["/encrypt_file"]["post"]["responses"]["200"]["content"];
        let types: Vec<_> = encrypted.as_object().unwrap().keys().collect();
        assert_eq!(types, ["application/octet-stream", "application/json"]);
        for path in ["/encrypt_file", "/decrypt_file"] {
            let security = &api["paths"][path]["post"]["security"];
            assert_eq!(security[0] == json!({}), public, "{path}: {security}");
            let keyed = json!([{"api_key": ["sessions"]}, {"bearer": ["sessions"]}]);
            assert_eq!(*security == keyed, !public, "{path}: {security}");
        }
    }
}

#[tokio::test]
async fn the_type_of_a_problem_leads_to_its_description() {
    for kind in ProblemKind::ALL {
        let definition = kind.definition();
        let described = call(false, get(&kind.uri())).await;
        assert_eq!(described.status, StatusCode::OK, "{kind:?}");
        let expected = json!({
            "code": definition.code,
            "status": definition.status,
            "title": definition.title,
            "remedy": definition.remedy,
        });
        assert_eq!(described.json(), expected);
    }
    for unknown in ["/problems/malformed-body", "/problems/%ff", "/problems/"] {
        let answer = call(false, get(unknown)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{unknown}");
        assert_eq!(answer.json()["type"], "/problems/not-found");
    }
}

#[tokio::test]
async fn every_response_has_the_headers() {
    let mut ids = std::collections::HashSet::new();
    for request in [
        get("/"),
        get("/nope"),
        post_form("/encrypt_file", form(&[])),
        get("/encrypt_file"),
    ] {
        let answer = call(true, request).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(ids.insert(answer.header("x-request-id").to_owned()));
    }
    assert!(ids.iter().all(|id| id.len() == 36));

    let chosen = with(get("/"), "x-request-id", "chosen-by-the-caller");
    let answer = call(true, chosen).await;
    assert_ne!(answer.header("x-request-id"), "chosen-by-the-caller");
}

#[tokio::test]
async fn pages_of_allowed_origins_may_call() {
    for (origin, allowed) in [
        ("https://app.example", true),
        ("https://evil.example", false),
    ] {
        let preflight = Request::options("/encrypt_file")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "x-api-key")
            .body(Body::empty())
            .unwrap();
        let preflight = call(false, preflight).await;
        assert_eq!(preflight.status, StatusCode::OK);
        let answer = call(true, with(encrypt(), "origin", origin)).await;
        for response in [&preflight, &answer] {
            let admitted = response.header("access-control-allow-origin");
            assert_eq!(admitted == origin, allowed, "{admitted}");
        }
        let exposed = answer.header("access-control-expose-headers");
        assert!(exposed.contains("encryption-key") && exposed.contains("content-disposition"));
    }
}
