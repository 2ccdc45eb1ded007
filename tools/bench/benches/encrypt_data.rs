//! `/encrypt` over HTTP on loopback, warm: one value of 100 bytes against a batch of 1,000, in one
//! run, on one connection. Fails if the batch takes more than 20 times as long.

#![expect(clippy::print_stdout, reason = "prints the results")]
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::{
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::Router;
use caas_aws::Clients;
use caas_bench::median;
use caas_testing::{API_KEY, Stack, settings};
use encrypt_data::{Config, Service};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const ROUNDS: u32 = 300;
const MAX_RATIO: f64 = 20.0;

#[tokio::main]
async fn main() {
    let stack = Stack::start().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut worst: f64 = 0.0;
    for cipher in caas_crypto::Cipher::ALL {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/encrypt", listener.local_addr().unwrap());
        let router = router(&stack.clients, cipher.name());
        let server = tokio::spawn(async { axum::serve(listener, router).await });
        let user = format!("00000000-0000-0000-0000-{:012}", cipher as u8);
        let body = |data: Value| {
            json!({"apiKey": API_KEY, "userUUID": user, "sensitiveData": data}).to_string()
        };
        let datum = "x".repeat(100);
        let (one, batch) = (body(json!(datum)), body(json!(vec![datum; 1000])));
        call(&client, &url, &one).await;
        call(&client, &url, &batch).await;
        // Alternately, so that other load on the machine affects both. Compares the medians.
        let (mut ones, mut batches) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ones.push(call(&client, &url, &one).await);
            batches.push(call(&client, &url, &batch).await);
        }
        let (one, batch) = (median(&mut ones) * 1e3, median(&mut batches) * 1e3);
        let (name, ratio) = (cipher.name(), batch / one);
        println!("{name:>12}: one {one:>7.3} ms, batch of 1,000 {batch:>7.3} ms, ratio {ratio:.1}");
        worst = worst.max(ratio);
        server.abort();
    }
    println!("worst ratio {worst:.1}, limit {MAX_RATIO}");
    assert!(worst < MAX_RATIO);
}

fn router(clients: &Clients, cipher: &str) -> Router {
    let settings = settings([("CIPHER_POOL", cipher), ("USER_KEY_CACHE_SECONDS", "3600")]);
    let config = Config::read(&settings).unwrap();
    encrypt_data::router(Arc::new(Service::new(config, clients)))
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
