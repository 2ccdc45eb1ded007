//! No key of a session file stays in memory after the response.
//!
//! Runs in its own process, because it runs itself again as the service whose memory it searches.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use caas_aws::ClientsConfig;
use caas_testing::{Subject, settings};
use encrypt_file::{Config, Service, router};
use reqwest::{
    Client, Response, StatusCode,
    multipart::{Form, Part},
};

fn form(content: Vec<u8>) -> Form {
    Form::new().part("file", Part::bytes(content).file_name("a.txt"))
}

async fn send(url: String, form: Form) -> Response {
    let client = Client::builder().no_proxy().build().unwrap();
    let response = client.post(url).multipart(form).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response
}

#[tokio::test]
async fn no_session_key_stays_in_memory() {
    let service = async |_| {
        let settings = settings([("PUBLIC_ENCRYPT_FILE", "true")]);
        let config = Config::read(&settings).unwrap();
        router(Arc::new(
            Service::connect(config, ClientsConfig::default()).await,
        ))
    };
    if Subject::served(service).await {
        return;
    }
    let subject = Subject::start("no_session_key_stays_in_memory", "");
    for len in [10, 3_000_000] {
        let encrypt = format!("{}/encrypt_file", subject.url);
        let response = send(encrypt, form(vec![7; len])).await;
        let encoded = response.headers()["encryption-key"]
            .to_str()
            .unwrap()
            .to_owned();
        let key = BASE64_URL_SAFE_NO_PAD.decode(&encoded).unwrap();
        let sealed = response.bytes().await.unwrap().to_vec();
        subject.lacks(&[&key], "after /encrypt_file");

        let decrypt = format!("{}/decrypt_file", subject.url);
        send(decrypt, form(sealed).text("key", encoded))
            .await
            .bytes()
            .await
            .unwrap();
        subject.lacks(&[&key], "after /decrypt_file");
    }
}
