//! Nothing of a request reaches the log, whatever goes wrong.
//!
//! Runs in its own process, because it reads everything that the process logs.

use std::{panic, sync::Arc};

use axum::{Router, body::Body, routing::get};
use caas_aws::ClientsConfig;
use caas_clients::KeyHash;
use caas_http::Edge;
use caas_testing::{BOUNDARY, Log, Part, form, send, settings};
use encrypt_file::{Config, Service};
use http::Request;

const API_KEY: &str = "caas_CANARY-key-CANARY-key-CANARY-key-CANARY-key08Sacg";

const KEY: &str = r#"Content-Disposition: form-data; name="key""#;

fn named(name: &str) -> String {
    format!(r#"Content-Disposition: form-data; name="file"; filename="{name}""#)
}

#[tokio::test]
async fn no_canary_in_the_log() {
    let log = Log::capture();
    let config = Config::read(&settings([
        ("API_KEYS", &format!("acme:{}", KeyHash::of(API_KEY))),
        ("MAX_BODY_BYTES", "2000"),
    ]));
    let service = Service::connect(config.unwrap(), ClientsConfig::default()).await;
    let router = encrypt_file::router(Arc::new(service));

    let long = "CANARY-name".repeat(900);
    let names = ["CANARY-name.txt", "CANARY-name%0A", &long].map(named);
    let with_content = |name| -> Part<'_> { (name, b"CANARY-content") };
    let [file, bad_file, long_file] = names.each_ref().map(|name| with_content(name));
    let field = r#"Content-Disposition: form-data; name="CANARY-field""#;
    let good_key = format!("CANARY_key_{}", "A".repeat(32));
    let key: Part<'_> = (KEY, good_key.as_bytes());
    let long_key = b"CANARY-value".repeat(700);
    let whole = form(&[file]);
    let mut garbled = whole.clone();
    garbled[5] = 0;
    let bodies = [
        whole.clone(),
        form(&[bad_file]),
        form(&[file, (field, b"CANARY-value")]),
        form(&[file, (KEY, b"CANARY-value")]),
        form(&[file, key]),
        form(&[file, key, key]),
        form(&[file, (KEY, &long_key)]),
        form(&[long_file]),
        whole[..whole.len() - 9].to_vec(),
        [&whole[..], &whole[..]].concat(),
        garbled,
        b"CANARY-content".to_vec(),
        b"CANARY-content".repeat(1_000),
    ];
    let form_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let mut statuses = Vec::new();
    let elsewhere = "/CANARY-path?CANARY-query=1";
    for path in ["/encrypt_file", "/decrypt_file", elsewhere] {
        for content_type in [form_type.as_str(), "CANARY/type"] {
            for sent_key in [API_KEY, "CANARY-api-key"] {
                for body in &bodies {
                    let request = Request::post(path)
                        .header("content-type", content_type)
                        .header("x-api-key", sent_key)
                        .header("x-request-id", "CANARY-id")
                        .header("user-agent", "CANARY-agent")
                        .header("referer", "CANARY-referer")
                        .body(Body::from(body.clone()))
                        .unwrap();
                    statuses.push(send(&router, request).await.status.as_u16());
                }
            }
        }
    }

    // A panic with content in its message, behind the same edge.
    let panics = Router::new().route("/", get(async || -> () { panic!("CANARY-panic") }));
    let request = Request::get("/").body(Body::empty()).unwrap();
    let response = send(&Edge::default().around(panics), request).await;
    statuses.push(response.status.as_u16());
    drop(panic::take_hook()); // from here on, a panic is the test's own
    assert!(!response.text().contains("CANARY"));

    for expected in [200, 400, 401, 404, 413, 415, 422, 500] {
        assert!(statuses.contains(&expected), "{expected} was not provoked");
    }
    let lines = log.requests();
    assert_eq!(lines.len(), statuses.len());
    assert!(log.text().contains(r#""message":"panic""#));
    log.lacks(&["CANARY"]);
    insta::assert_snapshot!(log.line("request"), @r#"{"timestamp":…,"level":"INFO","message":"request","method":"POST","route":"/encrypt_file","status":200,"duration_ms":…,"size":"1kB","span":{"request_id":…,"name":"request"}}"#);
    for line in lines {
        let fields: Vec<_> = line.as_object().unwrap().keys().cloned().collect();
        let known = "timestamp level message method route status duration_ms size span";
        assert_eq!(fields.join(" "), known);
        // The route's own path, never the request's.
        let (method, route) = (&line["method"], line["route"].as_str().unwrap());
        assert!(method == "POST" || method == "GET", "{line}");
        assert!(
            ["/encrypt_file", "/decrypt_file", "/", ""].contains(&route),
            "{line}"
        );
    }
}
