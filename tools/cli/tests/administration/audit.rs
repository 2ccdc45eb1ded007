//! `caas audit`, and whether the trail says who did what.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    time::{Duration, SystemTime},
};

use aws_sdk_s3::{
    primitives::ByteStream,
    types::{Delete, ObjectIdentifier},
};
use caas_crypto::UserId;
use caas_testing::{API_KEY, CLIENTS, INBOX, OTHER_API_KEY};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::service::{Ended, Program, Service, run};

const USER: &str = "123e4567-e89b-12d3-a456-426614174000";
const OTHER_USER: &str = "223e4567-e89b-12d3-a456-426614174000";

/// What a day leaves: the trail, and what must not be in it.
struct Day {
    service: Service,
    secrets: Vec<String>,
}

/// Two clients, a stranger and a limited key work with values and files.
async fn day() -> Day {
    let service = Service::start().await;
    service.seal_inbox();
    let program = &service.program;
    let caas = async |arguments: &[&str], input: &str| service.caas(arguments, input).await;
    let encrypt = ["value", "encrypt", "--user", USER];
    let value = caas(&encrypt, "CANARY-datum\n").await.succeeded();
    caas(&["value", "decrypt", "--user", USER], &value)
        .await
        .succeeded();
    let file = program.file("CANARY-report.txt", "CANARY-content");
    let put = caas(&["--json", "put", file.to_str().unwrap()], "")
        .await
        .succeeded();
    let id = serde_json::from_str::<Value>(&put).unwrap()["id"].clone();
    let id = id.as_str().unwrap().to_owned();
    let copy = program.home().join("copy");
    caas(&["get", &id, "-o", copy.to_str().unwrap()], "")
        .await
        .succeeded();

    let other = program.with_key(OTHER_API_KEY);
    other.run(&["get", &id, "-o", "copy"], "").await.failed(1);
    let encrypt = ["value", "encrypt", "--user", OTHER_USER];
    other.run(&encrypt, "CANARY-datum\n").await.succeeded();
    let stranger = "caas_CANARY-key-CANARY-key-CANARY-key-CANARY-key08Sacg";
    program.with_key(stranger).run(&["ls"], "").await.failed(1);
    let folder = service.data_dir();
    let new = [
        "keys",
        "--data-dir",
        folder.path().to_str().unwrap(),
        "new",
        "acme",
    ];
    let reader = caas(&[&new[..], &["--scope", "files:read"]].concat(), "").await;
    let reader = reader.succeeded().trim().to_owned();
    program
        .with_key(&reader)
        .run(&["user", "show", USER], "")
        .await
        .failed(1);

    service
        .stack
        .put_raw(INBOX, "acme/CANARY-dropped", b"CANARY-content")
        .await;
    let is_sealed =
        |line: &Value| line["operation"] == "seal a dropped file" && line["outcome"] == "ok";
    while !service.trail.audit().iter().any(is_sealed) {
        tokio::task::yield_now().await;
    }
    for _ in 0..2 {
        caas(&["user", "shred", USER, "--confirm", USER], "")
            .await
            .succeeded();
    }
    caas(&["rm", "--purge", "--yes", &id], "").await.succeeded();
    let secrets = [
        "CANARY",
        USER,
        OTHER_USER,
        API_KEY,
        OTHER_API_KEY,
        &reader,
        &id,
    ];
    let secrets = secrets.map(str::to_owned).to_vec();
    Day { service, secrets }
}

fn subject(client: &str, user: &str) -> String {
    let client = client.parse().unwrap();
    let user = user.parse().unwrap();
    UserId { client, user }.subject()
}

/// Whether these are among the lines, in this order.
fn tells(lines: &[Value], expected: &[(&str, &str, &str)]) {
    let mut rest = lines.iter();
    for (client, operation, outcome) in expected {
        let is_it = |line: &Value| {
            let text = |field: &str| line[field].as_str().unwrap_or("-").to_owned();
            let ended = if line["audit"] == "intent" {
                "intent".to_owned()
            } else {
                text("outcome")
            };
            text("client") == *client
                && text("operation").starts_with(operation)
                && ended == *outcome
        };
        assert!(
            rest.any(is_it),
            "no {client} {operation} {outcome} in {lines:#?}"
        );
    }
}

/// What it printed, a JSON object a line.
fn shown(text: &str) -> Vec<Value> {
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

fn objects(ended: Ended) -> Vec<Value> {
    shown(&ended.succeeded())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trail_of_a_day_says_who_did_what() {
    let Day { service, secrets } = day().await;
    let secrets: Vec<_> = secrets.iter().map(String::as_str).collect();
    service.trail.lacks(&secrets);
    let program = &service.program;
    let folder = program.home().join(".caas/audit");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("2026-01-01.jsonl"), service.trail.text()).unwrap();

    let all = objects(service.caas(&["audit", "--json"], "").await);
    assert_eq!(all.len(), service.trail.audit().len());
    tells(
        &all,
        &[
            ("acme", "POST /encrypt", "ok"),
            ("acme", "POST /decrypt", "ok"),
            ("acme", "POST /api/upload", "ok"),
            ("globex", "POST /encrypt", "ok"),
            ("-", "GET /api/files", "unauthorized"),
            ("acme", "GET /users/{uuid}", "missing-scope"),
            ("acme", "seal a dropped file", "intent"),
            ("acme", "seal a dropped file", "ok"),
            ("acme", "DELETE /users/{uuid}", "intent"),
            ("acme", "DELETE /users/{uuid}", "ok"),
            ("acme", "DELETE /users/{uuid}", "ok"),
            ("acme", "DELETE /api/files/{id}?purge=true", "intent"),
            ("acme", "DELETE /api/files/{id}?purge=true", "ok"),
        ],
    );
    let shreds = all
        .iter()
        .filter(|line| line["operation"] == "DELETE /users/{uuid}");
    let removed: Vec<_> = shreds.filter_map(|line| line["removed"].as_u64()).collect();
    assert_eq!(removed, [1, 0]);
    // Another client's attempt is another subject: it cannot reach the file.
    let refused = all
        .iter()
        .find(|line| line["client"] == "globex" && line["outcome"] == "not-found");
    assert!(refused.is_some());

    // Every key that KMS gave out is somebody's request.
    let subjects: BTreeSet<_> = all
        .iter()
        .filter_map(|line| line["subject"].as_str())
        .collect();
    let in_kms = service.stack.emulator.kms_requests();
    assert!(in_kms.len() >= 5, "{in_kms:?}");
    for request in &in_kms {
        let names = ["caas:subject", "caas:object"];
        let subject = names.iter().find_map(|name| request.context.get(*name));
        assert!(subjects.contains(subject.unwrap().as_str()), "{request:?}");
    }

    let of_user = ["audit", "--json", "--client", "acme", "--user", USER];
    let of_user = objects(service.caas(&of_user, "").await);
    let user = subject("acme", USER);
    assert!(of_user.len() >= 6 && of_user.iter().all(|line| line["subject"] == user));
    let by_hash = objects(
        service
            .caas(&["audit", "--json", "--subject", &user[..8]], "")
            .await,
    );
    assert_eq!(by_hash, of_user);
    let others = objects(
        service
            .caas(&["audit", "--json", "--client", "globex"], "")
            .await,
    );
    assert!(!others.is_empty() && others.iter().all(|line| line["client"] == "globex"));
    let table = service
        .caas(&["audit", "--since", "1h", "--client", "acme"], "")
        .await
        .succeeded();
    assert!(
        table.contains("DELETE /users/{uuid}") && table.contains(&user[..12]),
        "{table}"
    );
    let later = SystemTime::now() + Duration::from_secs(3600);
    let later = aws_sdk_s3::primitives::DateTime::from(later).to_string();
    let none = objects(
        service
            .caas(&["audit", "--json", "--since", &later], "")
            .await,
    );
    assert!(none.is_empty());

    // Somebody removes a line.
    let text = service.trail.text();
    let kept: Vec<_> = text
        .lines()
        .filter(|line| !line.contains(r#""seq":2,"#))
        .collect();
    fs::write(folder.join("2026-01-01.jsonl"), kept.join("\n")).unwrap();
    let failed = service.caas(&["audit"], "").await.failed(3);
    assert!(failed.contains("lacks 1 record: 2"), "{failed}");
}

/// What Firehose delivers.
fn delivery(lines: &[&str]) -> Vec<u8> {
    let events = lines
        .iter()
        .map(|line| json!({"id": "1", "timestamp": 1, "message": line}));
    let message = json!({
        "messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s",
        "subscriptionFilters": ["Audit"], "logEvents": events.collect::<Vec<_>>(),
    });
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(message.to_string().as_bytes()).unwrap();
    encoder.finish().unwrap()
}

async fn deliver(service: &Service, key: &str, content: Vec<u8>) {
    let put = service.stack.clients.s3.put_object();
    let put = put.bucket(CLIENTS).key(key);
    put.body(ByteStream::from(content)).send().await.unwrap();
}

/// `caas audit` of the bucket.
async fn audit(service: &Service, arguments: &[&str]) -> Ended {
    let emulator = &service.stack.emulator;
    let program = Program::new("http://localhost", "key");
    let bucket = ["audit", "--json", "--bucket", CLIENTS];
    let mut command = program.command(&[&bucket, arguments].concat());
    command
        .env("AWS_ENDPOINT_URL_S3", emulator.s3_url())
        .env("AWS_ACCESS_KEY_ID", emulator.access_key_id())
        .env("AWS_SECRET_ACCESS_KEY", emulator.secret_access_key())
        .env("AWS_REGION", emulator.region());
    run(command, "", |_| {}).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_in_a_bucket_are_read() {
    let service = Service::start().await;
    for _ in 0..3 {
        service.caas(&["ls"], "").await.succeeded();
    }
    let text = service.trail.text();
    let lines: Vec<_> = text.lines().collect();
    // Not in order, and one of them twice.
    deliver(&service, "audit/2026/01/01/00/b", delivery(&lines[..1])).await;
    let twice = [delivery(&lines[1..]), delivery(&lines[..2])].concat();
    deliver(&service, "audit/2026/01/01/01/a", twice).await;
    deliver(&service, "errors/2026/01/01/00/c", b"no delivery".to_vec()).await;

    assert_eq!(objects(audit(&service, &[]).await), service.trail.audit());
    // The hour before is read, because a delivery is named after its oldest line. The one before that
    // is not even listed.
    deliver(&service, "audit/2026/01/01/00/b", b"damaged".to_vec()).await;
    let since = audit(&service, &["--since", "2026-01-01T02:00:00Z"]).await;
    assert_eq!(objects(since), service.trail.audit());
    let damaged = audit(&service, &[]).await.failed(3);
    assert!(
        damaged.contains("audit/2026/01/01/00/b cannot be read"),
        "{damaged}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_lock_allows_hides_nothing() {
    let service = Service::start().await;
    for _ in 0..2 {
        service.caas(&["ls"], "").await.succeeded();
    }
    let text = service.trail.text();
    let lines: Vec<_> = text.lines().collect();
    let (first, last) = ("audit/2026/01/01/00/a", "audit/2026/01/01/00/b");
    deliver(&service, first, delivery(&lines[..1])).await;
    deliver(&service, last, delivery(&lines[1..])).await;

    // The end of a process: no gap would show it.
    let delete = service.stack.clients.s3.delete_object();
    delete.bucket(CLIENTS).key(last).send().await.unwrap();
    let deleted = audit(&service, &[]).await;
    assert_eq!(shown(&deleted.stdout), service.trail.audit());
    let deleted = deleted.failed(3);
    assert!(
        deleted.contains(&format!("{last} was deleted")),
        "{deleted}"
    );

    // An object over another.
    let forged = lines[0].replace("acme", "globex");
    deliver(&service, first, delivery(&[&forged])).await;
    let changed = audit(&service, &[]).await;
    assert_eq!(shown(&changed.stdout).len(), lines.len() + 1);
    let changed = changed.failed(3);
    assert!(
        changed.contains("different records with the same number: 1"),
        "{changed}"
    );
}

/// S3 lists 1,000 versions and markers a page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_delete_markers_hide_nothing() {
    let service = Service::start().await;
    for _ in 0..2 {
        service.caas(&["ls"], "").await.succeeded();
    }
    let text = service.trail.text();
    let lines: Vec<_> = text.lines().collect();
    let (hidden, last) = ("audit/2026/01/01/00/a", "audit/2026/01/01/00/b");
    deliver(&service, hidden, delivery(&lines[..1])).await;
    deliver(&service, last, delivery(&lines[1..])).await;
    let name = ObjectIdentifier::builder().key(hidden).build().unwrap();
    let names = Delete::builder().set_objects(Some(vec![name; 1_000]));
    let delete = service.stack.clients.s3.delete_objects().bucket(CLIENTS);
    let delete = delete.delete(names.build().unwrap());
    delete.send().await.unwrap();

    let ended = audit(&service, &[]).await;
    assert_eq!(shown(&ended.stdout), service.trail.audit());
    let failed = ended.failed(3);
    assert!(
        failed.contains(&format!("{hidden} was deleted")),
        "{failed}"
    );
    assert!(!failed.contains(last), "{failed}");
}
