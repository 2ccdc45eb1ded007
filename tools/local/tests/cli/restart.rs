//! Acknowledged data survives a kill of the process.

use reqwest::{
    Client, Method, RequestBuilder,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use crate::process::Running;

async fn json_of(request: RequestBuilder) -> Value {
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_kill_and_a_restart_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path(), &[]);
    let key = running.env["CAAS_API_KEY"].clone();

    let encrypt = async |running: &Running, cipher: Option<&str>| -> String {
        let mut body = json!({
            "apiKey": key,
            "userUUID": "123e4567-e89b-12d3-a456-426614174000",
            "sensitiveData": "this is some sensitive data",
        });
        if let Some(cipher) = cipher {
            body["cipher"] = cipher.into();
        }
        let request = Client::new().post(running.url("/encrypt"));
        let answer = json_of(request.json(&body)).await;
        assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
        answer["encrypted_data"].as_str().unwrap().to_owned()
    };
    let digest = encrypt(&running, None).await;
    let value = encrypt(&running, Some("aes-256-gcm")).await;

    let content: Vec<u8> = (0..9_000_000_u32).map(|i| (i >> 3) as u8).collect();
    let form = Form::new().part("file", Part::bytes(content.clone()).file_name("big.bin"));
    let upload = running.request(Method::POST, "/api/upload/");
    let stored = json_of(upload.multipart(form)).await;
    let path = format!("/api/files/{}", stored["file"]["id"].as_str().unwrap());

    drop(running); // kills it
    running = Running::start(folder.path(), &[]);

    assert_eq!(encrypt(&running, None).await, digest);
    let body = json!({
        "userUUID": "123E4567-E89B-12D3-A456-426614174000",
        "encryptedData": value,
    });
    let decrypt = running.request(Method::POST, "/decrypt");
    let opened = json_of(decrypt.json(&body)).await;
    assert_eq!(opened["sensitive_data"], "this is some sensitive data");

    let file = running.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(file.status(), 200);
    assert!(file.bytes().await.unwrap() == content);
}
