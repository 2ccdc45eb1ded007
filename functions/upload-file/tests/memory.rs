//! No key of a stored file stays in memory after the response.
//!
//! Runs in its own process, because it runs itself again as the service whose memory it searches.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use caas_aws::{ClientsConfig, KmsKey, ObjectKey};
use caas_crypto::{DataKey, stored::Grant};
use caas_settings::Settings;
use caas_testing::{API_KEY, FILE_KEY, Stack, Subject, VAULT, bytes, settings};
use caas_vault::Vault;
use http::Method;
use reqwest::{
    Client, RequestBuilder,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use upload_file::{Config, Service, router};

const TEST: &str = "no_key_of_a_stored_file_stays_in_memory";

#[tokio::test]
async fn no_key_of_a_stored_file_stays_in_memory() {
    if Subject::served(service).await {
        return;
    }
    let stack = Stack::start().await;
    let subject = Subject::start(TEST, &variables(&stack));
    let client = Client::builder().no_proxy().build().unwrap();
    let request = |method, path: &str| {
        let request = client.request(method, format!("{}{path}", subject.url));
        request.header("x-api-key", API_KEY)
    };
    let lacks = |keys: &[Vec<u8>], when| {
        let keys: Vec<_> = keys.iter().map(Vec::as_slice).collect();
        subject.lacks(&keys, when);
    };
    let mut keys = Vec::new();
    for len in [10, 9 << 20] {
        let file = Part::bytes(bytes(len)).file_name("a.txt");
        let upload = request(Method::POST, "/api/upload/");
        let stored = json(upload.multipart(Form::new().part("file", file))).await;
        let id = stored["file"]["id"].as_str().unwrap().to_owned();
        let (data_key, grant) = keys_of(&stack, &id).await;
        keys.push(data_key.expose().to_vec());
        keys.push(grant.key().expose().to_vec());
        lacks(&keys, "after an upload");

        let read = request(Method::GET, &format!("/api/files/{id}"));
        let read = read.send().await.unwrap().bytes().await.unwrap();
        assert_eq!(read.len(), len);
        lacks(&keys, "after a download");

        json(request(Method::POST, &format!("/api/files/{id}/grant"))).await;
        lacks(&keys, "after a grant");
    }
    let begin = json!({"name": "a.txt", "size": 10, "mode": "client"});
    let begun = json(request(Method::POST, "/api/uploads").json(&begin)).await;
    let key = begun["encryption"]["key"].as_str().unwrap();
    keys.push(BASE64_STANDARD.decode(key).unwrap());
    lacks(&keys, "after the beginning of an upload");

    let begin = json!({"name": "a.txt", "size": 10, "mode": "client", "part_size": 8 << 20});
    let begun = json(request(Method::POST, "/api/uploads").json(&begin)).await;
    let key = begun["encryption"]["key"].as_str().unwrap();
    keys.push(BASE64_STANDARD.decode(key).unwrap());
    let resume = json!({"upload": begun["upload"], "from": 1, "count": 1, "resume": true});
    let resumed = json(request(Method::POST, "/api/uploads/parts").json(&resume)).await;
    assert_eq!(resumed["encryption"], begun["encryption"]);
    lacks(&keys, "after an upload was resumed");
}

async fn service(input: String) -> axum::Router {
    let variables: Value = serde_json::from_str(&input).unwrap();
    let variable = move |name: &str| Some(variables.get(name)?.as_str()?.to_owned());
    let config = ClientsConfig::read(&Settings::new(variable)).unwrap();
    let service = Service::new(
        Config::read(&settings([("MAX_BODY_BYTES", "12000000")])).unwrap(),
        config.connect().await,
    );
    router(Arc::new(service))
}

/// The environment of a service on this stack.
fn variables(stack: &Stack) -> String {
    let emulator = &stack.emulator;
    json!({
        "AWS_ENDPOINT_URL_S3": emulator.s3_url(),
        "AWS_ENDPOINT_URL_KMS": emulator.kms_url(),
        "AWS_REGION": emulator.region(),
        "AWS_ACCESS_KEY_ID": emulator.access_key_id(),
        "AWS_SECRET_ACCESS_KEY": emulator.secret_access_key(),
    })
    .to_string()
}

async fn json(request: RequestBuilder) -> Value {
    let response = request.send().await.unwrap().error_for_status().unwrap();
    response.json().await.unwrap()
}

async fn keys_of(stack: &Stack, id: &str) -> (DataKey, Grant) {
    let path = BASE64_URL_SAFE_NO_PAD.decode(id).unwrap();
    let key = format!("acme/{}", String::from_utf8(path).unwrap());
    let key = ObjectKey::parse(&key).unwrap();
    let kms = KmsKey::new(stack.clients.kms.clone(), FILE_KEY);
    let vault = Vault::new(stack.clients.s3.clone(), VAULT, kms.clone());
    let info = vault.head(&key).await.unwrap().unwrap();
    let header = info.header(&key).unwrap();
    let context = header.encryption_context().pairs();
    let unwrapped = kms.unwrap(header.wrapped_key().as_bytes(), context).await;
    let data_key = DataKey::try_from(unwrapped.unwrap().as_slice()).unwrap();
    let grant = header.unlock(&data_key).unwrap().into_grant();
    (data_key, grant)
}
