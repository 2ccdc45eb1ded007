//! Uploads in parts while S3 and KMS fail: what was acknowledged reads back, and what was not is absent
//! or whole.
//!
//! `PART_FAULT_RUNS` says how many seeded runs; `PART_FAULT_SEED` where to begin.

use std::time::Duration;

use caas_testing::{API_KEY, Fault, Gate, ProxiedRequest, VAULT, seeded_bytes};
use futures::future::{join, join_all};
use http::Method;
use serde_json::json;
use tokio::sync::mpsc;

use crate::{
    sent_parts::{PART, SentUpload, ask, try_put},
    support::{App, get, path_of},
};

/// Runs side by side.
const LANES: u64 = 4;

/// How often a client repeats what failed.
const ATTEMPTS: usize = 5;

fn is_completion(request: &ProxiedRequest<'_>) -> bool {
    request.method == "POST" && request.path_and_query.contains("uploadId=")
}

/// A rule for the request that completes an upload.
fn at_completion(fault: Fault) -> impl Fn(&ProxiedRequest<'_>) -> Fault + Send + Sync {
    move |request| match is_completion(request) {
        true => fault.clone(),
        false => Fault::Forward,
    }
}

#[tokio::test]
async fn what_is_stored_decides_not_what_s3_responds() {
    let app = App::with_timeout(Duration::from_secs(3)).await;
    let error_in_a_200 = Fault::Respond(
        200,
        "application/xml",
        "<Error><Code>InternalError</Code><Message>SDK-TEXT</Message></Error>".to_owned(),
    );
    let conflict = Fault::s3(409, "ConditionalRequestConflict");
    let failed = Fault::s3(412, "PreconditionFailed");
    let too_long = Duration::from_secs(3_600);
    for (fault, is_stored) in [
        (error_in_a_200, false),
        (Fault::internal_error(), false),
        (Fault::slow_down(), false),
        (Fault::s3(403, "AccessDenied"), false),
        (conflict, false),
        (failed, false),
        (Fault::DelayRequest(too_long), false),
        (Fault::CutRequest(10), false),
        (Fault::DropResponse, true),
        (Fault::CutResponse(20), true),
        (Fault::DelayResponse(too_long), true),
    ] {
        let case = format!("{fault:?}");
        let mut upload = SentUpload::begin(&app, 1_000).await;
        upload.send_all(&app).await;
        app.proxies.s3.set_rule(at_completion(fault));
        let completed = upload.complete(&app).await;
        app.proxies.s3.clear_rule();
        if is_stored {
            completed.ok();
        } else {
            completed.is_problem(&case, 503, "dependency-unavailable");
            assert_eq!(completed.header("retry-after"), "2", "{case}");
            assert!(!completed.text().contains("SDK-TEXT"), "{case}");
        }
        let again = upload.complete(&app).await.ok();
        assert_eq!(again["id"], upload.id(), "{case}");
        let stored = app.send(get(API_KEY, upload.id())).await;
        assert!(stored.body == upload.content, "{case}");
    }
    assert_eq!(app.multipart_uploads(VAULT).await, 0);
}

#[tokio::test]
async fn a_part_replaced_after_the_check_is_refused_by_s3() {
    let app = App::start().await;
    let mut upload = SentUpload::begin(&app, PART as usize + 100).await;
    upload.send_all(&app).await;
    let (gate, (checked, mut when_checked)) = (Gate::default(), mpsc::unbounded_channel());
    let held = gate.clone();
    app.proxies.s3.set_rule(move |request| {
        if !is_completion(request) {
            return Fault::Forward;
        }
        checked.send(()).unwrap();
        Fault::HoldRequest(held.clone())
    });
    let mut other = upload.part(1);
    other[1000] ^= 1;
    let replace = async {
        when_checked.recv().await.unwrap();
        upload.send_directly(&app, 1, other).await;
        gate.open();
    };
    let (completed, ()) = join(upload.complete(&app), replace).await;
    completed.is_problem("replaced", 409, "upload-conflict");
    app.proxies.s3.clear_rule();
    assert!(app.visible(VAULT).await.is_empty());

    upload.send(&app, 1).await;
    upload.complete(&app).await.ok();
    let stored = app.send(get(API_KEY, upload.id())).await;
    assert!(stored.body == upload.content);
}

#[tokio::test]
async fn s3_or_kms_does_not_serve() {
    let app = App::with_timeout(Duration::from_secs(3)).await;
    let mut upload = SentUpload::begin(&app, 1_000).await;
    upload.send_all(&app).await;
    app.proxies.s3.set_rule(|_| Fault::slow_down());
    let path = format!("/api/files/{}", upload.id());
    let deleted = app.ask(Method::DELETE, &path).await;
    deleted.is_problem("DELETE", 503, "dependency-unavailable");
    for (route, body) in upload.requests() {
        let answer = app.post(API_KEY, route, &body).await;
        answer.is_problem(route, 503, "dependency-unavailable");
    }
    let begun = ask(&app, API_KEY, 5, Some(PART)).await;
    begun.is_problem("begin", 503, "dependency-unavailable");
    app.proxies.s3.clear_rule();
    app.proxies.kms.set_rule(|_| Fault::kms_throttled());
    let resumed = upload.ask_parts(&app, json!({"from": 1, "count": 1, "resume": true}));
    resumed
        .await
        .is_problem("resume", 503, "dependency-unavailable");
    upload.complete(&app).await.ok();
}

#[tokio::test]
async fn another_file_at_the_key_is_not_replaced() {
    let app = App::start().await;
    let mut upload = SentUpload::begin(&app, 1_000).await;
    upload.send_all(&app).await;
    let key = format!("acme/{}", path_of(upload.id()));
    app.put_raw(VAULT, &key, b"another").await;
    for _ in 0..2 {
        let refused = upload.complete(&app).await;
        refused.is_problem("another file", 409, "upload-conflict");
    }
    assert_eq!(app.get_raw(VAULT, &key).await.1, b"another");
}

#[tokio::test]
async fn racing_completions_all_succeed() {
    let app = App::start().await;
    let mut upload = SentUpload::begin(&app, PART as usize).await;
    upload.send_all(&app).await;
    let completed = join_all((0..8).map(|_| upload.complete(&app))).await;
    for answer in &completed {
        match answer.status.as_u16() {
            200 => {}
            // S3 is still completing it for another.
            _ => answer.is_problem("race", 503, "dependency-unavailable"),
        }
    }
    assert!(completed.iter().any(|answer| answer.status == 200));
    upload.complete(&app).await.ok();
    assert_eq!(app.versions(VAULT).await, (1, 0));
}

fn number(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(default, |value| value.parse().unwrap())
}

/// What a client wants of an upload.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scenario {
    Complete,
    CompleteTwiceAtOnce,
    Resume,
    AbortMeanwhile,
    DeleteMeanwhile,
}

impl Scenario {
    const ALL: [Self; 5] = [
        Self::Complete,
        Self::CompleteTwiceAtOnce,
        Self::Resume,
        Self::AbortMeanwhile,
        Self::DeleteMeanwhile,
    ];
}

/// Sends what is missing, each part until S3 returns its ETag or the client gives up.
async fn send_all(app: &App, upload: &mut SentUpload) -> bool {
    for number in 1..=upload.e_tags.len() {
        for _ in 0..ATTEMPTS {
            let fields = json!({"from": number, "count": 1});
            let asked = upload.ask_parts(app, fields).await;
            if asked.status != 200 {
                continue;
            }
            let part = asked.json()["parts"][0].clone();
            if let Ok((200, e_tag)) = try_put(&part, upload.part(number)).await
                && !e_tag.is_empty()
            {
                upload.e_tags[number - 1] = e_tag;
                break;
            }
        }
        if upload.e_tags[number - 1].is_empty() {
            return false;
        }
    }
    true
}

/// Completes the upload; whether that was acknowledged.
async fn complete(app: &App, upload: &SentUpload) -> bool {
    for _ in 0..ATTEMPTS {
        match upload.complete(app).await.status.as_u16() {
            200 => return true,
            503 => {}
            _ => return false,
        }
    }
    false
}

/// One upload. Returns whether its completion was acknowledged, and how many requests passed the
/// proxies.
async fn live(app: &App, seed: u64) -> (bool, u64) {
    let scenario = Scenario::ALL[(seed % 5) as usize];
    let len = match seed / 5 % 5 {
        0 => PART as usize + 1 + seed as usize % 1_000,
        _ => seed as usize * 7_919 % 100_000,
    };
    let content = seeded_bytes(seed, len);
    let mut begun = ask(app, API_KEY, len as u64, Some(PART)).await;
    for _ in 0..ATTEMPTS {
        if begun.status == 201 {
            break;
        }
        begun = ask(app, API_KEY, len as u64, Some(PART)).await;
    }
    if begun.status != 201 {
        return (false, 0);
    }
    let mut upload = SentUpload::of(begun.json(), content);
    let is_sent = send_all(app, &mut upload).await;
    if scenario == Scenario::Resume {
        let fields = json!({"from": 1, "count": 1, "resume": true});
        let resumed = upload.ask_parts(app, fields).await;
        if resumed.status == 200 {
            let encryption = &resumed.json()["encryption"];
            assert_eq!(*encryption, upload.begun["encryption"], "seed {seed}");
        }
    }
    let path = format!("/api/files/{}", upload.id());
    let completes = async {
        match is_sent {
            true => complete(app, &upload).await,
            false => false,
        }
    };
    let mut is_deleted = false;
    let acknowledged = match scenario {
        Scenario::Complete | Scenario::Resume => completes.await,
        Scenario::CompleteTwiceAtOnce => {
            let (first, second) = tokio::join!(completes, upload.complete(app));
            first || second.status == 200
        }
        Scenario::AbortMeanwhile => tokio::join!(completes, upload.abort(app)).0,
        Scenario::DeleteMeanwhile => {
            let (acknowledged, mut deleted) =
                tokio::join!(completes, app.ask(Method::DELETE, &path));
            for _ in 0..ATTEMPTS {
                is_deleted = matches!(deleted.status.as_u16(), 204 | 404);
                if is_deleted {
                    break;
                }
                deleted = app.ask(Method::DELETE, &path).await;
            }
            acknowledged
        }
    };
    let requests = app.proxies.s3.requests() + app.proxies.kms.requests();
    app.proxies.s3.clear_rule();
    app.proxies.kms.clear_rule();
    let stored = app.send(get(API_KEY, upload.id())).await;
    let is_there = stored.status == 200;
    let is_absent = stored.status == 404;
    assert!(is_there || is_absent, "seed {seed}: {}", stored.text());
    let is_whole = stored.body == upload.content;
    assert!(is_absent || is_whole, "seed {seed}: half a file");
    if is_deleted {
        assert!(is_absent, "seed {seed}: a deleted file is there");
    } else if scenario != Scenario::DeleteMeanwhile {
        assert!(is_there || !acknowledged, "seed {seed}: lost");
    }
    (acknowledged, requests)
}

/// Errors, cuts after some bytes, lost responses, and a time-out after the server has acted.
fn faults() -> (Vec<Fault>, Vec<Fault>) {
    let too_late = Duration::from_millis(1_600); // an attempt has 1.5 s
    let everywhere = [
        Fault::DelayRequest(Duration::from_millis(5)),
        Fault::DelayResponse(Duration::from_millis(20)),
        Fault::DelayResponse(too_late),
        Fault::DropResponse,
        Fault::CutResponse(30),
        Fault::CutRequest(100),
    ];
    let error_in_a_200 = "<Error><Code>InternalError</Code></Error>".to_owned();
    let s3 = [
        Fault::slow_down(),
        Fault::internal_error(),
        Fault::CutRequest(50_000),
        Fault::s3(409, "ConditionalRequestConflict"),
        Fault::Respond(200, "application/xml", error_in_a_200),
    ];
    let kms = [Fault::kms_throttled(), Fault::kms_internal()];
    (
        [&s3[..], &everywhere].concat(),
        [&kms[..], &everywhere].concat(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_reads_back() {
    let first = number("PART_FAULT_SEED", 0);
    let end = first + number("PART_FAULT_RUNS", 40);
    let lanes = (0..LANES).map(|lane| async move {
        let app = App::with_timeout(Duration::from_secs(3)).await;
        let (mut completed, mut requests) = (0, 0);
        for seed in (first + lane..end).step_by(LANES as usize) {
            let (s3, kms) = faults();
            // Some fail often, some seldom.
            let one_in = [3, 5, 8][(seed % 3) as usize];
            app.proxies.s3.set_rule(Fault::seeded(seed, one_in, s3));
            app.proxies.kms.set_rule(Fault::seeded(seed, 4, kms));
            let (acknowledged, sent) = live(&app, seed).await;
            completed += u64::from(acknowledged);
            requests += sent;
        }
        (completed, requests)
    });
    let lanes = join_all(lanes).await;
    let (completed, requests) = lanes
        .into_iter()
        .fold((0, 0), |sum, lane| (sum.0 + lane.0, sum.1 + lane.1));
    println!(
        "{} runs, {requests} requests, {completed} completed",
        end - first
    );
    assert!(completed > 0);
}
