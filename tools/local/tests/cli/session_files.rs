//! Files over real connections.

use caas_crypto::session;
use reqwest::{
    Client, StatusCode,
    multipart::{Form, Part},
};

use crate::process::Running;

fn form(name: &str, content: Vec<u8>) -> Form {
    Form::new().part("file", Part::bytes(content).file_name(name.to_owned()))
}

#[tokio::test]
async fn two_hundred_clients_at_once_each_get_their_own_file() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &[]);
    let client = Client::new();
    let exchange = |i: usize| {
        let (client, encrypt) = (client.clone(), running.url("/encrypt_file"));
        async move {
            let name = format!("file-{i}.txt");
            let content = format!("content of {i} ").repeat(1 + i * 37).into_bytes();
            let request = client.post(encrypt);
            let request = request.multipart(form(&name, content.clone()));
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            let header = |name| answer.headers()[name].to_str().unwrap();
            let disposition = header("content-disposition");
            let is_named = disposition.contains(&format!("\"{name}.enc\""));
            assert!(is_named, "{disposition}");
            let key = header("encryption-key").parse().unwrap();
            let sealed = answer.bytes().await.unwrap().to_vec();
            assert!(session::open(&key, sealed).unwrap() == content, "{i}");
        }
    };
    futures::future::join_all((0..200).map(exchange)).await;
}

/// Most clients report a broken connection when the server closes before they have sent everything.
#[tokio::test]
async fn a_body_far_over_the_limit_gets_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &["--max-body-bytes", "1000000"]);
    let content = vec![7; 64 << 20];
    let request = Client::new()
        .post(running.url("/encrypt_file"))
        .multipart(form("big", content));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let problem: serde_json::Value = answer.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("1000000"));
}
