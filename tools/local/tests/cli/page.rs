//! The link to the page, with a code that is worth the API key once.

use reqwest::{Client, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Running;

async fn redeem(running: &Running, code: &str) -> Response {
    let request = Client::new().post(running.url("/local/api-key"));
    request.json(&json!({"code": code})).send().await.unwrap()
}

/// The code in the greeting.
fn code(running: &Running) -> Option<&str> {
    let (_, code) = running.greeting.split_once("/#code=")?;
    code.lines().next()
}

#[tokio::test]
async fn the_code_is_worth_the_key_once() {
    let folder = TempDir::new().unwrap();
    let running = Running::start(folder.path(), &[]);
    let code = code(&running).unwrap();
    let link = format!("\n  {}/#code={code}\n", running.env["CAAS_URL"]);
    assert!(running.greeting.contains(&link), "{}", running.greeting);

    for wrong in ["", "0", &code[1..], &code.to_uppercase()] {
        if wrong != code {
            assert_eq!(redeem(&running, wrong).await.status(), 404, "{wrong}");
        }
    }
    let key: Value = redeem(&running, code).await.json().await.unwrap();
    assert_eq!(key, json!({"api_key": running.env["CAAS_API_KEY"]}));

    let again = redeem(&running, code).await;
    assert_eq!(again.status(), 404);
    let problem = again.text().await.unwrap();
    assert!(problem.contains("has been used"), "{problem}");
    assert!(!problem.contains(&running.env["CAAS_API_KEY"]));
}

/// A page of another origin may send the request only after a preflight, which no origin passes.
#[tokio::test]
async fn no_other_page_may_ask() {
    let folder = TempDir::new().unwrap();
    let running = Running::start(folder.path(), &["--allowed-origins=https://app.example"]);
    let code = code(&running).unwrap();
    let url = running.url("/local/api-key");
    let preflight = Client::new().request(reqwest::Method::OPTIONS, &url);
    let preflight = preflight.header("origin", "https://app.example");
    let preflight = preflight.header("access-control-request-method", "POST");
    let preflight = preflight.header("access-control-request-headers", "content-type");
    let preflight = preflight.send().await.unwrap();
    assert!(
        !preflight
            .headers()
            .contains_key("access-control-allow-origin")
    );

    // What needs no preflight is not JSON.
    let simple = Client::new()
        .post(&url)
        .header("content-type", "text/plain");
    let simple = simple
        .body(json!({"code": code}).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(simple.status(), 415);
    // Another name for this machine, as after DNS rebinding.
    let rebound = Client::new().post(&url).header("host", "rebound.example");
    let rebound = rebound.json(&json!({"code": code})).send().await.unwrap();
    assert_eq!(rebound.status(), 421);
    assert_eq!(redeem(&running, code).await.status(), 200);
}

/// On another address than loopback the key would cross the network in clear.
#[tokio::test]
async fn a_served_host_has_no_code() {
    let folder = TempDir::new().unwrap();
    let running = Running::start(folder.path(), &["--host=127.0.0.1"]);
    assert_eq!(code(&running), None, "{}", running.greeting);
    assert_eq!(redeem(&running, "").await.status(), 404);
}
