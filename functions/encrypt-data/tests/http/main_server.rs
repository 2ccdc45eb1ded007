//! The worked example in `examples/`, against the function on a port of its own.

use std::{net::Ipv4Addr, process::Command};

use tokio::net::TcpListener;

use crate::support::{API_KEY, Stack};

#[tokio::test(flavor = "multi_thread")]
async fn the_example_keeps_finds_and_erases_users() {
    let stack = Stack::start().await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = stack.process().router;
    let server = tokio::spawn(async { axum::serve(listener, router).await });

    let check = tokio::task::spawn_blocking(move || {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/main_server.py");
        Command::new("python3")
            .args([example, "--check"])
            .env("CAAS_URL", url)
            .env("CAAS_API_KEY", API_KEY)
            .env("NO_PROXY", "127.0.0.1")
            .output()
            .unwrap()
    });
    let output = check.await.unwrap();
    server.abort();
    let told = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    assert_eq!(told, "users are kept, found and erased\n");
}
