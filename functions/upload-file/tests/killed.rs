//! A process that is killed while it removes a file has said before that it would.
//!
//! Runs in its own process, because it runs itself again as the service that is killed.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs::{self, File},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::Router;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use caas_audit::Trail;
use caas_aws::ClientsConfig;
use caas_testing::{API_KEY, Fault, Stack, Subject, VAULT, settings};
use serde_json::Value;
use tokio::sync::Notify;
use upload_file::{Config, Service, router};

const TEST: &str = "a_killed_process_leaves_its_intent";

/// Longer than any test.
const FOREVER: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_killed_process_leaves_its_intent() {
    if Subject::served(service).await {
        return;
    }
    let stack = Stack::start().await;
    stack.put_raw(VAULT, "acme/a", b"x").await;
    let proxies = stack.proxies(FOREVER).await;
    let reached = Arc::new(Notify::new());
    let notify = Arc::clone(&reached);
    proxies.s3.set_rule(move |request| match request.method {
        "DELETE" => {
            notify.notify_one();
            Fault::DelayRequest(FOREVER)
        }
        _ => Fault::Forward,
    });
    let emulator = &stack.emulator;
    let trail = stack.folder.path().join("trail");
    let input = [
        trail.to_str().unwrap(),
        &proxies.s3.url(),
        &emulator.kms_url(),
        emulator.region(),
        emulator.access_key_id(),
        emulator.secret_access_key(),
    ];
    let subject = Subject::start(TEST, &input.join("\n"));

    let id = BASE64_URL_SAFE_NO_PAD.encode("a");
    let url = format!("{}/api/files/{id}?purge=true", subject.url);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let purge = client.delete(url).header("x-api-key", API_KEY).send();
    // Kept until the process is dead: a client that leaves would end the request.
    let mut purge = pin!(purge);
    tokio::select! {
        ended = &mut purge => panic!("the purge ended: {ended:?}"),
        () = reached.notified() => drop(subject),
    }

    let text = fs::read_to_string(trail).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [intent] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(intent["audit"], "intent");
    assert_eq!(intent["client"], "acme");
    assert_eq!(intent["operation"], "DELETE /api/files/{id}?purge=true");
    // printf acme/a | sha256sum
    let subject = "883a14b33f1d6f1957daef35ca8fad68617b9013e674aeeb4e0a372642dabc69";
    assert_eq!(intent["subject"], subject);
    assert_eq!(intent["outcome"], Value::Null);
}

/// The function whose trail is a file.
async fn service(input: String) -> Router {
    let input: Vec<_> = input.lines().map(str::to_owned).collect();
    let [trail, s3, kms, region, id, secret] = <[String; 6]>::try_from(input).unwrap();
    let aws = ClientsConfig {
        s3_endpoint: Some(s3),
        kms_endpoint: Some(kms),
        region: Some(region),
        credentials: Some((id, secret)),
        s3_timeout: FOREVER,
        kms_timeout: FOREVER,
        ..ClientsConfig::default()
    };
    let mut config = Config::read(&settings([])).unwrap();
    config.http.edge.trail = Trail::new(File::create(trail).unwrap(), None);
    router(Arc::new(Service::new(config, aws.connect().await)))
}
