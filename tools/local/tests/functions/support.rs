//! All functions in this process, on S3 and KMS there.

use std::{sync::Arc, time::SystemTime};

use axum::Router;
use caas_aws::ClientsConfig;
use caas_clients::{ClientRecord, KeyHash, Scopes, generate_api_key};
use caas_testing::{CLIENTS, Stack, settings};

pub(crate) const FILE: &str = r#"Content-Disposition: form-data; name="file"; filename="a.txt""#;

/// All functions behind HTTP, with the registry.
pub(crate) async fn functions(stack: &Stack) -> Router {
    let emulator = &stack.emulator;
    let settings = settings([("CLIENTS_BUCKET", CLIENTS)]);
    let (id, secret) = (emulator.access_key_id(), emulator.secret_access_key());
    let aws = ClientsConfig {
        s3_endpoint: Some(emulator.s3_url()),
        region: Some(emulator.region().to_owned()),
        credentials: Some((id.to_owned(), secret.to_owned())),
        ..ClientsConfig::default()
    };
    let clients = &stack.clients;
    let config = encrypt_data::Config::read(&settings).unwrap();
    let encrypt_data = encrypt_data::Service::new(config, clients);
    let config = encrypt_file::Config::read(&settings).unwrap();
    let encrypt_file = encrypt_file::Service::connect(config, aws).await;
    let config = upload_file::Config::read(&settings).unwrap();
    let upload_file = upload_file::Service::new(config, clients.clone());
    encrypt_file::router(Arc::new(encrypt_file))
        .merge(encrypt_data::router(Arc::new(encrypt_data)))
        .merge(upload_file::router(Arc::new(upload_file)))
}

pub(crate) async fn key_with(stack: &Stack, scopes: Scopes) -> String {
    let key = generate_api_key().unwrap().to_string();
    let record = ClientRecord {
        client: "acme".parse().unwrap(),
        scopes,
        created: SystemTime::UNIX_EPOCH.into(),
        expires_at: None,
        disabled: false,
        note: String::new(),
    };
    let s3_key = KeyHash::of(&key).record_key();
    stack.put_raw(CLIENTS, &s3_key, &record.to_json()).await;
    key
}
