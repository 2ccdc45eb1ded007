//! A Lambda runtime that invokes a function's binary once.

use std::{
    io,
    process::{Command, Stdio},
    sync::Arc,
};

use axum::{
    Router,
    body::Bytes,
    routing::{get, post},
};
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
    task::spawn_blocking,
};
use tokio_util::sync::CancellationToken;

/// Starts a function's binary with this variable alone, invokes it with an empty event, and returns the
/// message of the error that it reports.
pub async fn invocation_error(binary: &str, name: &str, value: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (reporter, mut reports) = mpsc::unbounded_channel();
    let invocations = Arc::new(Semaphore::new(1));
    let next = async move || {
        invocations.acquire().await.unwrap().forget();
        let headers = [
            ("lambda-runtime-aws-request-id", "1"),
            ("lambda-runtime-deadline-ms", "9999999999999"),
            ("lambda-runtime-invoked-function-arn", "arn"),
        ];
        (headers, "{}")
    };
    let error = async move |error: Bytes| {
        let error: Value = serde_json::from_slice(&error).unwrap();
        reporter.send(error).unwrap();
        http::StatusCode::ACCEPTED
    };
    let api = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error));
    let stop = CancellationToken::new();
    let _stop_on_drop = stop.clone().drop_guard();
    let service = TowerToHyperService::new(api);
    tokio::spawn(caas_server::serve(listener, service, stop));

    let mut function = Command::new(binary)
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "function")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env(name, value)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = function.stdout.take().unwrap();
    let ended = spawn_blocking(move || io::copy(&mut stdout, &mut io::sink()));
    let error = tokio::select! {
        error = reports.recv() => error,
        _ = ended => None,
    };
    let _ = function.kill();
    function.wait().unwrap();
    let error = error.expect("the function ended by itself");
    error["errorMessage"].as_str().unwrap().to_owned()
}
