//! How many requests reach S3 and KMS.

use std::time::Duration;

use caas_testing::{Fault, FaultProxy, ManualClock};
use http::Method;
use serde_json::json;

use crate::support::{OTHER_USER, Options, Stack, USER, record_of};

#[tokio::test]
async fn a_warm_call_asks_nobody() {
    let stack = Stack::start().await;
    let process = stack.process();
    let digest = process.digest(USER, "datum").await;
    let value = process.seal(USER, "datum").await;
    let before = stack.emulator.calls();
    for _ in 0..10 {
        process.digest(USER, "datum").await;
        process.seal(&USER.to_uppercase(), "datum").await;
        assert!(process.verify(USER, "datum", &digest).await);
        assert!(process.verify(USER, "datum", &value).await);
        assert!(!process.verify(USER, "other", &value).await);
        process.decrypt(USER, &value).await.ok();
        process
            .post("/encrypt", USER, json!({"sensitiveData": ["a", "b"]}))
            .await
            .ok();
    }
    assert_eq!(stack.requests_since(&before), (0, 0));
}

#[tokio::test]
async fn a_cold_call_asks_once_for_the_record_and_once_for_the_key() {
    let stack = Stack::start().await;
    let before = stack.emulator.calls();
    let value = stack.process().seal(USER, "datum").await;
    assert_eq!(stack.requests_since(&before), (2, 1), "a new user");
    let digest = stack.process().digest(USER, "datum").await;
    stack.process().rotate(USER).await;

    let (_, calls) = stack.calls_of(stack.process().digest(USER, "datum")).await;
    assert_eq!((calls.s3(), calls.kms()), (1, 1), "of two versions");

    let (opened, calls) = stack.calls_of(stack.process().decrypt(USER, &value)).await;
    opened.ok();
    assert_eq!((calls.s3(), calls.kms()), (1, 1), "/decrypt");

    let process = stack.process();
    let (valid, calls) = stack.calls_of(process.verify(USER, "datum", &value)).await;
    assert!(valid);
    assert_eq!((calls.s3(), calls.kms()), (1, 1), "/verify of a value");

    let process = stack.process();
    let (valid, calls) = stack.calls_of(process.verify(USER, "datum", &digest)).await;
    assert!(valid && calls.s3() == 1 && calls.kms() <= 2, "{calls:?}");

    let process = stack.process();
    let (refused, calls) = stack.calls_of(process.decrypt(OTHER_USER, &value)).await;
    refused.is_problem("", 422, "integrity-failure");
    assert_eq!((calls.s3(), calls.kms()), (1, 0), "a user without keys");

    // Rotation checks the latest version first.
    let (_, calls) = stack.calls_of(stack.process().rotate(USER)).await;
    assert_eq!((calls.s3(), calls.kms()), (2, 2), "rotation");
}

#[tokio::test]
async fn a_hundred_versions_cost_what_one_does() {
    let stack = Stack::start().await;
    let process = stack.process();
    let (digest, value) = (
        process.digest(USER, "datum").await,
        process.seal(USER, "datum").await,
    );
    for version in 2..=100 {
        assert_eq!(process.rotate(USER).await, version);
    }
    let path = format!("/users/{USER}");
    let full = process.send(Method::POST, &format!("{path}/rotate")).await;
    full.is_problem("the 101st", 400, "invalid-request");

    let before = stack.emulator.calls();
    assert!(stack.process().verify(USER, "datum", &digest).await);
    assert_eq!(stack.requests_since(&before), (1, 1), "/verify");
    let before = stack.emulator.calls();
    assert!(!stack.process().verify(USER, "other", &digest).await);
    assert_eq!(stack.requests_since(&before), (1, 1), "/verify of another");
    let before = stack.emulator.calls();
    stack.process().decrypt(USER, &value).await.ok();
    assert_eq!(stack.requests_since(&before), (1, 1), "/decrypt");
    let before = stack.emulator.calls();
    assert_eq!(stack.process().version_numbers(USER).await.len(), 100);
    assert_eq!(stack.requests_since(&before), (1, 1), "GET /users/{{uuid}}");
}

#[tokio::test]
async fn a_checked_tombstone_is_remembered() {
    let stack = Stack::start().await;
    let value = stack.process().seal(USER, "datum").await;
    stack.process().shred(USER).await;
    let process = stack.process();
    for expected in [(1, 1), (1, 0), (1, 0)] {
        let before = stack.emulator.calls();
        let refused = process.decrypt(USER, &value).await;
        refused.is_problem("erased", 422, "integrity-failure");
        assert_eq!(stack.requests_since(&before), expected);
    }
}

#[tokio::test]
async fn bad_input_costs_nothing() {
    let stack = Stack::start().await;
    let process = stack.process();
    process.digest(USER, "datum").await;
    let process = stack.process();
    let before = stack.emulator.calls();
    for (path, fields) in [
        ("/encrypt", json!({})),
        ("/encrypt", json!({"sensitiveData": 1})),
        ("/encrypt", json!({"sensitiveData": "x", "cipher": "rot13"})),
        (
            "/verify",
            json!({"sensitiveData": "x", "encryptedData": "not a digest"}),
        ),
        (
            "/verify",
            json!({"sensitiveData": ["x"], "encryptedData": "x"}),
        ),
        ("/decrypt", json!({"encryptedData": "00".repeat(32)})),
        ("/decrypt", json!({"encryptedData": "caas:v2:AAAA"})),
        ("/decrypt", json!({"encryptedData": ["x", "y"]})),
    ] {
        process.post(path, USER, fields).await;
    }
    process.digest_refused("not a uuid").await;
    assert_eq!(stack.requests_since(&before), (0, 0));
}

#[tokio::test]
async fn the_loser_of_a_race_asks_three_times_and_twice() {
    let stack = Stack::start().await;
    let proxy = FaultProxy::start(stack.emulator.s3_addr()).await.unwrap();
    let winner = stack.process().digest(USER, "datum").await;
    // The loser's first read was before that.
    proxy.set_rule(|request| match request.number {
        0 => Fault::s3(404, "NoSuchKey"),
        _ => Fault::Forward,
    });
    let before = stack.emulator.calls();
    let loser = Options {
        s3_url: Some(proxy.url()),
        ..Options::default()
    };
    let loser = loser.process(&stack).digest(USER, "datum").await;
    assert_eq!(winner, loser);
    assert_eq!(proxy.requests(), 3);
    let calls = stack.emulator.calls().since(&before);
    assert_eq!(calls.kms(), 2, "{calls:?}");
    assert_eq!(stack.record_versions(&record_of(USER)).await.len(), 1);
}

#[tokio::test]
async fn age_counts_on_both_clocks() {
    let stack = Stack::start().await;
    let clock = ManualClock::new();
    let process = Options {
        clock: Some(clock.clone()),
        ..Options::default()
    };
    let process = process.process(&stack);
    process.digest(USER, "datum").await;
    let second = Duration::from_secs(1);
    let cases: [(&str, &dyn Fn(), bool); 7] = [
        ("at once", &|| (), false),
        (
            "59 s on both",
            &|| {
                clock.advance_wall(59 * second);
                clock.advance_monotonic(59 * second);
            },
            false,
        ),
        (
            "60 s on both",
            &|| {
                clock.advance_wall(second);
                clock.advance_monotonic(second);
            },
            true,
        ),
        (
            "60 s by the wall clock alone",
            &|| clock.advance_wall(60 * second),
            true,
        ),
        (
            "60 s by the monotonic clock alone",
            &|| clock.advance_monotonic(60 * second),
            true,
        ),
        (
            "the wall clock went back",
            &|| {
                clock.set_back_wall(second);
                clock.advance_monotonic(second);
            },
            true,
        ),
        ("at once again", &|| (), false),
    ];
    for (case, pass, cold) in cases {
        pass();
        let before = stack.emulator.calls();
        process.digest(USER, "datum").await;
        let expected = if cold { (1, 1) } else { (0, 0) };
        assert_eq!(stack.requests_since(&before), expected, "{case}");
    }
}

#[tokio::test]
async fn without_a_cache_every_call_asks() {
    let stack = Stack::start().await;
    let process = Options {
        cache_seconds: Some(0),
        ..Options::default()
    };
    let process = process.process(&stack);
    let before = stack.emulator.calls();
    let digest = process.digest(USER, "datum").await;
    assert_eq!(stack.requests_since(&before), (2, 1));
    for calls in 1..4 {
        let before = stack.emulator.calls();
        assert_eq!(process.digest(USER, "datum").await, digest);
        assert_eq!(stack.requests_since(&before), (1, 1), "call {calls}");
    }
    process.shred(USER).await;
    assert!(!process.verify(USER, "datum", &digest).await);
}

#[tokio::test]
async fn what_another_process_rotated_is_found_at_once() {
    let stack = Stack::start().await;
    let (here, there) = (stack.process(), stack.process());
    here.digest(USER, "datum").await;
    there.digest(USER, "datum").await;
    assert_eq!(there.rotate(USER).await, 2);
    let (digest, value) = (
        there.digest(USER, "datum").await,
        there.seal(USER, "datum").await,
    );

    let before = stack.emulator.calls();
    assert!(here.verify(USER, "datum", &digest).await);
    assert_eq!(stack.requests_since(&before), (1, 1), "looked again");
    here.decrypt(USER, &value).await.ok();
    assert_eq!(stack.requests_since(&before), (1, 1));

    // A no is looked up, the keys are not asked for again.
    let before = stack.emulator.calls();
    assert!(!here.verify(USER, "Datum", &digest).await);
    let (s3, kms) = stack.requests_since(&before);
    assert!(s3 == 1 && kms <= 1, "{s3}, {kms}");
    let before = stack.emulator.calls();
    assert!(!here.verify(USER, "Datum", &digest).await);
    assert_eq!(stack.requests_since(&before), (1, 0));
}

#[tokio::test]
async fn absence_is_not_remembered() {
    let stack = Stack::start().await;
    let (here, there) = (stack.process(), stack.process());
    let digest = "00".repeat(32);
    assert!(!here.verify(USER, "datum", &digest).await);
    let digest = there.digest(USER, "datum").await;
    assert!(here.verify(USER, "datum", &digest).await);
    let answer = here.send(Method::GET, &format!("/users/{USER}")).await;
    assert_eq!(answer.ok()["versions"][0]["version"], 1);
}
