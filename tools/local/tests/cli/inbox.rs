//! Files dropped in the inbox are sealed, whatever happens to the program.

use std::{fs, path::Path, time::Duration};

use caas_aws::{Clients, ClientsConfig, VersionedBucket};
use caas_settings::Settings;
use futures::{StreamExt, stream};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::{interval, timeout};

use crate::process::Running;

/// A guard against hanging, much longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(120);

async fn clients(running: &Running) -> Clients {
    let variables = running.env.clone();
    let settings = Settings::new(move |name| variables.get(name).cloned());
    ClientsConfig::read(&settings).unwrap().connect().await
}

/// Requests a presigned upload to the inbox and puts the file there. Returns its id.
async fn drop_file(running: &Running, name: &str, content: &[u8]) -> String {
    let file = json!({"name": name, "size": content.len(), "content_type": "text/plain",
        "mode": "inbox"});
    let request = running.request(Method::POST, "/api/uploads").json(&file);
    let link: Value = request.send().await.unwrap().json().await.unwrap();
    let mut put = Client::new().put(link["url"].as_str().unwrap());
    for (name, value) in link["headers"].as_object().unwrap() {
        put = put.header(name, value.as_str().unwrap());
    }
    let answer = put.body(content.to_vec()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    link["id"].as_str().unwrap().to_owned()
}

async fn get(running: &Running, id: &str) -> Option<Vec<u8>> {
    let request = running.request(Method::GET, &format!("/api/files/{id}"));
    let answer = request.send().await.unwrap();
    match answer.status() {
        StatusCode::NOT_FOUND => None,
        StatusCode::OK => Some(answer.bytes().await.unwrap().into()),
        status => panic!("{status}"),
    }
}

/// Polls until there is a result.
async fn eventually<T>(ask: impl AsyncFn() -> Option<T>) -> T {
    let mut ticks = interval(Duration::from_millis(50));
    let answer = async {
        loop {
            ticks.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    timeout(DEADLINE, answer).await.expect("it never happens")
}

async fn inbox_is_empty(running: &Running) -> Option<()> {
    let bucket = VersionedBucket::new(clients(running).await.s3, &running.env["INBOX_BUCKET"]);
    let page = bucket.all_versions("", None).await.unwrap();
    page.versions.is_empty().then_some(())
}

fn content(i: usize) -> Vec<u8> {
    let len = if i % 20 == 19 { 9 << 20 } else { i * 1_000 };
    (0..len).map(|byte| (byte * 31 + i) as u8).collect()
}

#[tokio::test]
async fn a_kill_among_sixty_drops_loses_none() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]);
    let files: Vec<_> = stream::iter(0..60)
        .map(async |i| {
            let name = format!("ä {i}+%.txt");
            (drop_file(&running, &name, &content(i)).await, content(i))
        })
        .buffer_unordered(8)
        .collect()
        .await;
    drop(running); // kills it

    let running = Running::start(folder.path(), &[]);
    for (id, content) in files {
        let opened = eventually(async || get(&running, &id).await).await;
        assert!(opened == content, "something else is readable");
    }
    eventually(async || inbox_is_empty(&running).await).await;
}

#[tokio::test]
async fn what_cannot_be_sealed_stays_and_becomes_a_dead_letter() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]);
    let clients = clients(&running).await;
    let bucket = &running.env["INBOX_BUCKET"];
    let put = clients.s3.put_object().bucket(bucket).key("no client+");
    put.body(b"x".to_vec().into()).send().await.unwrap();

    let letters = folder.path().join("dead-letters");
    let letter = eventually(async || first_file(&letters)).await;
    let letter: Value = serde_json::from_str(&letter).unwrap();
    assert_eq!(letter["requestContext"]["approximateInvokeCount"], 3);
    let object = &letter["requestPayload"]["Records"][0]["s3"]["object"];
    assert_eq!(object["key"], "no%20client%2B");
    assert!(inbox_is_empty(&running).await.is_none());
}

fn first_file(folder: &Path) -> Option<String> {
    let mut paths = fs::read_dir(folder)
        .ok()?
        .map(|entry| entry.unwrap().path());
    let path = paths.find(|path| path.extension().is_some_and(|end| end == "json"))?;
    Some(fs::read_to_string(path).unwrap())
}
