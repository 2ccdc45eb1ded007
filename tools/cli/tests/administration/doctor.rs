//! `caas doctor`.

use std::collections::BTreeSet;

use caas_clients::ROUTES;
use caas_testing::{Fault, USER_KEYS, VAULT};
use serde_json::Value;

use crate::service::{Ended, Program, Service};

/// What each step reported.
fn steps(ended: &Ended) -> Vec<Value> {
    let lines = ended.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn outcome(steps: &[Value], step: &str) -> String {
    let found = steps.iter().find(|found| found["step"] == step);
    let found = found.unwrap_or_else(|| panic!("no step {step}: {steps:?}"));
    format!(
        "{} {}",
        found["outcome"].as_str().unwrap(),
        found["detail"].as_str().unwrap()
    )
}

#[tokio::test]
async fn every_route_is_used_once_and_what_was_stored_is_removed() {
    let service = Service::start().await;
    service.seal_inbox();
    // Twice: the first leaves a tombstone.
    for _ in 0..2 {
        let ended = service.caas(&["doctor", "--json"], "").await;
        let steps = steps(&ended);
        assert!(
            steps.iter().all(|step| step["outcome"] == "ok"),
            "{ended:?}"
        );
        let used: BTreeSet<_> = steps
            .iter()
            .map(|step| step["step"].as_str().unwrap())
            .collect();
        for route in ROUTES {
            let name = format!("{} {}", route.method, route.path);
            let is_used = used
                .iter()
                .any(|step| *step == name || step.starts_with(&format!("{name} (")));
            assert!(is_used, "{name} is not used: {used:?}");
        }
        ended.succeeded();
    }
    // Delete markers stay until no upload can be in progress.
    assert_eq!(service.stack.versions(VAULT).await.0, 0);
    assert_eq!(service.stack.multipart_uploads(VAULT).await, 0);
    assert_eq!(
        service.stack.visible(USER_KEYS).await.len(),
        1,
        "the tombstone"
    );

    let ended = service.caas(&["doctor"], "").await;
    assert!(ended.stderr.contains("a tombstone stays"), "{ended:?}");
    assert!(
        ended.stdout.contains("\nok       POST /decrypt\n"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn what_a_key_may_not_do_is_skipped() {
    let service = Service::start().await;
    service.seal_inbox();
    let folder = service.data_dir();
    for (scope, skipped, ok) in [
        ("values:encrypt", "POST /verify", "POST /encrypt (digest)"),
        (
            "users:admin",
            "POST /encrypt (value)",
            "DELETE /users/{uuid}",
        ),
        (
            "files:delete",
            "POST /api/uploads",
            "DELETE /api/files/{id}",
        ),
        ("files:read", "DELETE /api/files/{id}", "GET /api/files"),
        ("sessions", "GET /api/files", "POST /decrypt_file"),
    ] {
        let data_dir = folder.path().to_str().unwrap();
        let new = [
            "keys",
            "--data-dir",
            data_dir,
            "new",
            "acme",
            "--scope",
            scope,
        ];
        let key = service.caas(&new, "").await.succeeded();
        let program = service.program.with_key(key.trim_end());
        let ended = program.run(&["doctor", "--json"], "").await;
        let steps = steps(&ended);
        let (method, path) = skipped.split_once(' ').unwrap();
        let path = path.split(' ').next().unwrap();
        let needed = caas_clients::Scope::of_route(method, path).unwrap();
        assert_eq!(
            outcome(&steps, skipped),
            format!("skipped needs scope {needed}")
        );
        assert!(outcome(&steps, ok).starts_with("ok"), "{ended:?}");
        ended.succeeded();
    }
    assert_eq!(service.stack.versions(VAULT).await.0, 0);
}

#[tokio::test]
async fn failures_are_named_with_the_next_step() {
    let service = Service::start().await;
    service.seal_inbox();
    service
        .proxy
        .set_rule(|request| match request.path_and_query {
            "/verify" => Fault::Respond(200, "application/json", r#"{"valid":false}"#.to_owned()),
            "/decrypt" => Fault::Respond(502, "text/html", "bad gateway".to_owned()),
            _ => Fault::Forward,
        });
    let ended = service.caas(&["doctor"], "").await;
    let stdout = &ended.stdout;
    let expected = "FAILED   POST /verify                   the digest and its datum do not match\n         if caas";
    assert!(stdout.contains(expected), "{stdout}");
    let expected = "FAILED   POST /decrypt                  status 502 without a problem document\n         look into the log";
    assert!(stdout.contains(expected), "{stdout}");
    assert!(ended.failed(1).ends_with("steps failed\n"));

    let unknown = caas_clients::generate_api_key().unwrap();
    service.proxy.clear_rule();
    let ended = service
        .program
        .with_key(&unknown)
        .run(&["doctor", "--json"], "")
        .await;
    let steps = steps(&ended);
    let last = steps.last().unwrap();
    assert_eq!(
        (&last["step"], &last["outcome"]),
        (&"GET /api/files".into(), &"failed".into())
    );
    assert!(
        last["next"].as_str().unwrap().contains("caas login"),
        "{last}"
    );
    ended.failed(1);
}

#[tokio::test]
async fn another_service_gets_no_key_and_an_absent_one_ends_it() {
    let service = Service::start().await;
    let other = Service::start().await;
    let ended = service
        .caas(&["doctor", "--json", &other.proxy.url()], "")
        .await;
    let steps = steps(&ended);
    assert!(outcome(&steps, "everything else").starts_with("skipped there is no API key"));
    ended.succeeded();

    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let ended = Program::new(&nobody, "key").run(&["doctor"], "").await;
    assert!(
        ended.stdout.starts_with("FAILED   GET /health"),
        "{ended:?}"
    );
    assert!(ended.failed(4).ends_with("error: nothing else was tried\n"));

    service
        .proxy
        .set_rule(|_| Fault::Respond(200, "text/html", "<html>".to_owned()));
    let ended = service.caas(&["doctor"], "").await;
    assert!(
        ended.stdout.contains("another program may answer there"),
        "{ended:?}"
    );
    ended.failed(1);
}
