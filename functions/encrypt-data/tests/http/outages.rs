//! S3 or KMS fails, and comes back.

use caas_testing::{Fault, FaultProxy, ProxiedRequest};
use http::Method;
use serde_json::json;

use crate::support::{OTHER_USER, Options, Process, Stack, USER, record_of};

const UNAVAILABLE: &str = "dependency-unavailable";

/// Checks that every route says that it cannot serve at the moment, for a user who has keys.
async fn check_all_unavailable(start: impl Fn() -> Process, value: &str, digest: &str, case: &str) {
    for (path, fields) in [
        ("/encrypt", json!({"sensitiveData": "datum"})),
        (
            "/encrypt",
            json!({"sensitiveData": ["datum"], "cipher": "aes-256-gcm"}),
        ),
        (
            "/verify",
            json!({"sensitiveData": "datum", "encryptedData": digest}),
        ),
        (
            "/verify",
            json!({"sensitiveData": "datum", "encryptedData": value}),
        ),
        ("/decrypt", json!({"encryptedData": value})),
        ("/decrypt", json!({"encryptedData": [value, value]})),
    ] {
        let answer = start().post(path, USER, fields).await;
        answer.is_problem(&format!("{case}: {path}"), 503, UNAVAILABLE);
        assert!(!answer.header("retry-after").is_empty());
    }
    for (method, path) in [
        (Method::GET, format!("/users/{USER}")),
        (Method::POST, format!("/users/{USER}/rotate")),
    ] {
        let answer = start().send(method, &path).await;
        answer.is_problem(&format!("{case}: {path}"), 503, UNAVAILABLE);
    }
}

#[tokio::test]
async fn a_disabled_key_is_a_503_until_it_is_enabled() {
    let stack = Stack::start().await;
    let warm = stack.process();
    let (digest, value) = (
        warm.digest(USER, "datum").await,
        warm.seal(USER, "datum").await,
    );
    let key = stack.emulator.key_arn("alias/users").unwrap();
    stack
        .clients
        .kms
        .disable_key()
        .key_id(&key)
        .send()
        .await
        .unwrap();

    check_all_unavailable(|| stack.process(), &value, &digest, "disabled").await;
    let fields = json!({"sensitiveData": "datum"});
    let cold = stack.process();
    let answer = cold.post("/encrypt", OTHER_USER, fields).await;
    answer.is_problem("a new user", 503, UNAVAILABLE);
    assert!(
        stack
            .record_versions(&record_of(OTHER_USER))
            .await
            .is_empty()
    );
    // What is in memory serves until its time is over.
    assert_eq!(warm.digest(USER, "datum").await, digest);

    // A failure is not remembered.
    stack
        .clients
        .kms
        .enable_key()
        .key_id(&key)
        .send()
        .await
        .unwrap();
    assert_eq!(cold.digest(USER, "datum").await, digest);
    cold.digest(OTHER_USER, "datum").await;
}

#[tokio::test]
async fn whatever_s3_and_kms_fail_with_is_a_503() {
    let stack = Stack::start().await;
    let (digest, value) = {
        let process = stack.process();
        (
            process.digest(USER, "datum").await,
            process.seal(USER, "datum").await,
        )
    };
    let s3 = FaultProxy::start(stack.emulator.s3_addr()).await.unwrap();
    let kms = FaultProxy::start(stack.emulator.kms_addr()).await.unwrap();
    let start = || {
        let options = Options {
            s3_url: Some(s3.url()),
            kms_url: Some(kms.url()),
            ..Options::default()
        };
        options.process(&stack)
    };
    for (case, fault) in [
        ("throttled", Fault::slow_down()),
        ("internal error", Fault::internal_error()),
        ("no answer", Fault::DropResponse),
        ("an answer cut off", Fault::CutResponse(20)),
    ] {
        s3.set_rule(move |_: &ProxiedRequest<'_>| fault.clone());
        check_all_unavailable(start, &value, &digest, case).await;
    }
    s3.clear_rule();
    for (case, fault) in [
        ("throttled", Fault::kms_throttled()),
        ("internal error", Fault::kms_internal()),
        ("no answer", Fault::DropResponse),
    ] {
        kms.set_rule(move |_: &ProxiedRequest<'_>| fault.clone());
        check_all_unavailable(start, &value, &digest, case).await;
    }
    let process = start();
    let answer = process.decrypt(USER, &value).await;
    answer.is_problem("still down", 503, UNAVAILABLE);
    kms.clear_rule();
    assert_eq!(
        process.decrypt(USER, &value).await.ok()["sensitive_data"],
        "datum"
    );
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_version() {
    let stack = Stack::start().await;
    let s3 = FaultProxy::start(stack.emulator.s3_addr()).await.unwrap();
    let process = Options {
        s3_url: Some(s3.url()),
        ..Options::default()
    };
    let process = process.process(&stack);
    s3.set_rule(|request| match request.method {
        "PUT" => Fault::DropResponse,
        _ => Fault::Forward,
    });
    // The record was written, but nobody can know; the next try finds it.
    let fields = json!({"sensitiveData": "datum"});
    let answer = process.post("/encrypt", USER, fields).await;
    answer.is_problem("lost", 503, UNAVAILABLE);
    s3.clear_rule();
    let digest = process.digest(USER, "datum").await;
    assert_eq!(stack.process().digest(USER, "datum").await, digest);
    assert_eq!(process.version_numbers(USER).await, [1]);
}
