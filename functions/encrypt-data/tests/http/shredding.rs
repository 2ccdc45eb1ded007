//! What is left after a user was shredded: nothing.

use std::time::Duration;

use caas_testing::{Fault, FaultProxy, ManualClock, USER_KEYS};
use http::Method;

use crate::support::{OTHER_USER, Options, Stack, USER, record_of};

#[tokio::test]
async fn nothing_opens_and_numbering_goes_on() {
    let stack = Stack::start().await;
    let process = stack.process();
    let (digest, value) = (
        process.digest(USER, "datum").await,
        process.seal(USER, "datum").await,
    );
    assert_eq!(process.rotate(USER).await, 2);
    let later = process.seal(USER, "datum").await;
    let other = process.seal(OTHER_USER, "datum").await;
    process.shred(USER).await;

    let record = record_of(USER);
    assert_eq!(
        stack.record_versions(&record).await.len(),
        1,
        "older versions are gone"
    );
    let tombstone = stack.record(&record).await;
    assert_eq!(tombstone["shredded_up_to"], 2);
    assert!(tombstone.get("body").is_none());

    for process in [process.clone(), stack.process()] {
        assert!(!process.verify(USER, "datum", &digest).await);
        for value in [&value, &later] {
            assert!(!process.verify(USER, "datum", value).await);
            process
                .decrypt(USER, value)
                .await
                .is_problem("shredded", 422, "integrity-failure");
        }
        for (method, path) in [
            (Method::GET, format!("/users/{USER}")),
            (Method::POST, format!("/users/{USER}/rotate")),
        ] {
            process
                .send(method, &path)
                .await
                .is_problem(&path, 404, "not-found");
        }
        // Again: no harm, nothing left undone.
        assert_eq!(process.shred(USER).await, 0);
        assert_eq!(
            process.decrypt(OTHER_USER, &other).await.ok()["sensitive_data"],
            "datum"
        );
    }

    let before = stack.emulator.calls();
    let again = stack.process().seal(USER, "datum").await;
    let cost = stack.requests_since(&before);
    assert_eq!(
        cost,
        (2, 2),
        "a new user's, and one Decrypt of the tombstone"
    );
    assert_eq!(process.version_numbers(USER).await, [3]);
    assert_ne!(process.digest(USER, "datum").await, digest);
    assert_eq!(
        process.decrypt(USER, &again).await.ok()["sensitive_data"],
        "datum"
    );
    process
        .decrypt(USER, &value)
        .await
        .is_problem("shredded", 422, "integrity-failure");
    assert_eq!(process.rotate(USER).await, 4);
    process.shred(USER).await;
    assert_eq!(stack.record(&record).await["shredded_up_to"], 4);
}

#[tokio::test]
async fn another_warm_process_forgets_within_the_documented_time() {
    let stack = Stack::start().await;
    let clock = ManualClock::new();
    let warm = Options {
        clock: Some(clock.clone()),
        ..Options::default()
    };
    let warm = warm.process(&stack);
    let (digest, value) = (
        warm.digest(USER, "datum").await,
        warm.seal(USER, "datum").await,
    );
    stack.process().shred(USER).await;

    // As documented, for 60 seconds at most.
    clock.advance_wall(Duration::from_secs(59));
    clock.advance_monotonic(Duration::from_secs(59));
    assert_eq!(
        warm.decrypt(USER, &value).await.ok()["sensitive_data"],
        "datum"
    );
    assert!(warm.verify(USER, "datum", &digest).await);
    let lost = warm.seal(USER, "datum").await;

    clock.advance_wall(Duration::from_secs(1));
    warm.decrypt(USER, &value)
        .await
        .is_problem("late", 422, "integrity-failure");
    warm.decrypt(USER, &lost)
        .await
        .is_problem("late", 422, "integrity-failure");
    assert!(!warm.verify(USER, "datum", &digest).await);
    assert!(!warm.verify(USER, "datum", &value).await);
    assert_eq!(stack.record(&record_of(USER)).await["shredded_up_to"], 1);
}

#[tokio::test]
async fn a_warm_process_that_looks_again_forgets_at_once() {
    let stack = Stack::start().await;
    let warm = stack.process();
    let (digest, value) = (
        warm.digest(USER, "datum").await,
        warm.seal(USER, "datum").await,
    );
    stack.process().shred(USER).await;
    assert!(!warm.verify(USER, "another", &digest).await); // looks again
    warm.decrypt(USER, &value)
        .await
        .is_problem("forgotten", 422, "integrity-failure");
}

#[tokio::test]
async fn a_record_restored_from_an_older_version_brings_the_user_back() {
    let stack = Stack::start().await;
    let process = stack.process();
    let (digest, value) = (
        process.digest(USER, "datum").await,
        process.seal(USER, "datum").await,
    );
    let backup = stack.record_text(&record_of(USER)).await;
    process.shred(USER).await;
    process
        .decrypt(USER, &value)
        .await
        .is_problem("shredded", 422, "integrity-failure");

    stack.overwrite(&record_of(USER), backup).await;
    for process in [process, stack.process()] {
        assert_eq!(
            process.decrypt(USER, &value).await.ok()["sensitive_data"],
            "datum"
        );
        assert!(process.verify(USER, "datum", &digest).await);
        assert_eq!(process.digest(USER, "datum").await, digest);
    }
    // And goes again, with the backup's copy in S3.
    stack.process().shred(USER).await;
    assert_eq!(stack.record_versions(&record_of(USER)).await.len(), 1);
    stack
        .process()
        .decrypt(USER, &value)
        .await
        .is_problem("again", 422, "integrity-failure");
}

#[tokio::test]
async fn what_was_left_undone_is_done_the_next_time() {
    let stack = Stack::start().await;
    let proxy = FaultProxy::start(stack.emulator.s3_addr()).await.unwrap();
    let process = Options {
        s3_url: Some(proxy.url()),
        ..Options::default()
    };
    let process = process.process(&stack);
    let value = process.seal(USER, "datum").await;
    process.rotate(USER).await;
    proxy.set_rule(|request| match request.method {
        "DELETE" => Fault::slow_down(),
        _ => Fault::Forward,
    });
    let path = format!("/users/{USER}");
    let answer = process.send(Method::DELETE, &path).await;
    answer.is_problem("interrupted", 503, "dependency-unavailable");
    assert_eq!(stack.record_versions(&record_of(USER)).await.len(), 3);
    process
        .decrypt(USER, &value)
        .await
        .is_problem("shredded", 422, "integrity-failure");

    proxy.clear_rule();
    process.shred(USER).await;
    assert_eq!(stack.record_versions(&record_of(USER)).await.len(), 1);
    let left = stack
        .clients
        .s3
        .get_object()
        .bucket(USER_KEYS)
        .key(record_of(USER));
    assert!(left.send().await.is_ok());
}
