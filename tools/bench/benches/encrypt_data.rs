//! `/encrypt` over HTTP on loopback, warm: one value of 100 bytes against a batch of 1,000, in one
//! run, on one connection. Fails if the batch takes more than 20 times as long.

#![expect(clippy::print_stdout, reason = "prints the results")]
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::{
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use axum::Router;
use caas_aws::KmsKey;
use caas_emulator::{BucketConfig, Config, Emulator};
use caas_http::{Edge, HttpConfig, hash_api_key};
use caas_users::{UserKeyOptions, UserKeys};
use encrypt_data::Service;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const API_KEY: &str = "caas_bench-only-bench-only-bench-only-bench-only";
const ROUNDS: u32 = 300;
const MAX_RATIO: f64 = 20.0;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::new(folder.path());
    config.buckets.push(BucketConfig::versioned("user-keys"));
    config.key_aliases.push("alias/users".to_owned());
    let emulator = Emulator::start(config).await.unwrap();

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut worst: f64 = 0.0;
    for cipher in caas_crypto::Cipher::ALL {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/encrypt", listener.local_addr().unwrap());
        let router = router(&emulator, cipher.name());
        let server = tokio::spawn(async { axum::serve(listener, router).await });
        let user = format!("00000000-0000-0000-0000-{:012}", cipher as u8);
        let body = |data: Value| {
            json!({"apiKey": API_KEY, "userUUID": user, "sensitiveData": data}).to_string()
        };
        let (one, batch) = (
            body(json!("x".repeat(100))),
            body(json!(vec!["x".repeat(100); 1000])),
        );
        call(&client, &url, &one).await;
        call(&client, &url, &batch).await;
        // Alternately, so that other load on the machine affects both. Compares the medians.
        let (mut ones, mut batches) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ones.push(call(&client, &url, &one).await);
            batches.push(call(&client, &url, &batch).await);
        }
        let (one, batch) = (median(ones), median(batches));
        let ratio = batch.as_secs_f64() / one.as_secs_f64();
        println!(
            "{:>12}: one {one:>9.2?}, batch of 1,000 {batch:>9.2?}, ratio {ratio:.1}",
            cipher.name()
        );
        worst = worst.max(ratio);
        server.abort();
    }
    println!("worst ratio {worst:.1}, limit {MAX_RATIO}");
    assert!(worst < MAX_RATIO);
}

fn router(emulator: &Emulator, ciphers: &str) -> Router {
    let (id, secret) = (emulator.access_key_id(), emulator.secret_access_key());
    let credentials = Credentials::new(id, secret, None, None, "bench");
    let s3 = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(credentials.clone())
        .endpoint_url(emulator.s3_url())
        .force_path_style(true)
        .region(Region::new("us-east-1"));
    let kms = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(credentials)
        .endpoint_url(emulator.kms_url())
        .region(Region::new("us-east-1"));
    let kms = aws_sdk_kms::Client::from_conf(kms.build());
    let options = UserKeyOptions {
        bucket: "user-keys".to_owned(),
        ciphers: ciphers.parse().unwrap(),
        salts: Default::default(),
        cache_for: Duration::from_secs(3600),
    };
    let s3 = aws_sdk_s3::Client::from_conf(s3.build());
    let keys = UserKeys::new(s3, KmsKey::new(kms, "alias/users"), options);
    let http = HttpConfig {
        api_keys: format!("acme:{}", hash_api_key(API_KEY)).parse().unwrap(),
        max_body_bytes: 4_500_000,
        edge: Edge::default(),
    };
    encrypt_data::router(Arc::new(Service { http, keys }))
}

/// The time from a request to the last byte of its response.
async fn call(client: &reqwest::Client, url: &str, body: &str) -> Duration {
    let request = client.post(url).header("content-type", "application/json");
    let request = request.body(body.to_owned());
    let start = Instant::now();
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
