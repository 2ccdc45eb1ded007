//! A proxy in the environment sees nothing of a service on loopback.

use std::{net::TcpListener, thread};

use reqwest::{
    Client, StatusCode,
    multipart::{Form, Part},
};
use serde_json::json;

use crate::process::Running;

#[tokio::test]
async fn a_proxy_in_the_environment_gets_no_request() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let names = ["http_proxy", "https_proxy", "all_proxy", "ALL_PROXY"];
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start_in(folder.path(), &[], &names.map(|name| (name, &*url)));
    // A proxy that accepts and never answers would take the request's time.
    let closing = proxy.try_clone().unwrap();
    let used = thread::spawn(move || closing.accept().map(|(_, from)| from));

    let client = Client::builder().no_proxy().build().unwrap();
    let file = Part::bytes(b"content".to_vec()).file_name("a.txt");
    let upload = client
        .post(running.url("/api/upload/"))
        .header("x-api-key", &running.env["CAAS_API_KEY"])
        .multipart(Form::new().part("file", file));
    assert_eq!(upload.send().await.unwrap().status(), StatusCode::CREATED);
    let user = "123e4567-e89b-12d3-a456-426614174000";
    let value =
        json!({"sensitiveData": "a", "userUUID": user, "apiKey": running.env["CAAS_API_KEY"]});
    let encrypt = client.post(running.url("/encrypt")).json(&value);
    assert_eq!(encrypt.send().await.unwrap().status(), StatusCode::OK);
    assert!(!used.is_finished(), "the proxy got a request");
}
