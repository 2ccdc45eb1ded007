//! `caas keys`, next to a running service and without one.

use caas_client::{Client, ServiceError};
use caas_clients::KeyHash;
use caas_testing::API_KEY;
use http::Method;

use crate::service::{Ended, Service};

/// Runs `keys` on this data folder, with this on its input.
async fn run(service: &Service, data_dir: &str, arguments: &[&str], input: &str) -> Ended {
    let arguments = [&["keys", "--data-dir", data_dir], arguments].concat();
    service.caas(&arguments, input).await
}

#[tokio::test]
async fn keys_are_made_listed_expired_and_revoked() {
    let service = Service::start().await;
    let folder = service.data_dir();
    let data_dir = folder.path().to_str().unwrap();
    let keys = async |arguments: &[&str], input: &str| {
        run(&service, data_dir, arguments, input).await.succeeded()
    };
    let status = async |key: &str, method: Method, path: &str| {
        let client = Client::new(&service.proxy.url(), key).unwrap();
        match client.request(method, path, None).await {
            Ok(response) => response.status.as_u16(),
            Err(ServiceError::Refused { status, .. }) => status,
            Err(error) => panic!("{error}"),
        }
    };
    let new = [
        "new",
        "acme",
        "--scope",
        "files:read",
        "--expires",
        "1d",
        "--note",
        "web shop",
    ];
    let made = run(&service, data_dir, &new, "").await;
    assert!(made.stderr.contains("shown only once"), "{}", made.stderr);
    let key = made.succeeded().trim_end().to_owned();
    assert_eq!(status(&key, Method::GET, "/api/files").await, 200);
    assert_eq!(status(&key, Method::POST, "/api/uploads").await, 403);
    let list = keys(&["list"], "").await;
    assert!(
        list.ends_with("  acme  active  files:read  web shop\n"),
        "{list}"
    );
    let hash = &list[..12];

    let second = keys(&["new", "globex", "--json"], "").await;
    let second: serde_json::Value = serde_json::from_str(&second).unwrap();
    let (second, whole) = (&second["api_key"], second["hash"].as_str().unwrap());
    let second = second.as_str().unwrap();
    assert_eq!(KeyHash::of(second).to_string(), whole);
    let expired = keys(&["expire", hash], "").await;
    assert!(expired.contains("state    expired"));
    let revoked = keys(&["revoke", "-"], second).await;
    assert!(revoked.contains("state    revoked"));
    assert_eq!(status(second, Method::GET, "/api/files").await, 401);
    let globex = keys(&["list", "--client", "globex"], "").await;
    assert!(globex.contains("  globex  revoked  everything"), "{globex}");
    let shown = keys(&["show", hash], "").await;
    assert!(
        shown.contains("client   acme\nstate    expired\nscopes   files:read\n"),
        "{shown}"
    );
    let shown = keys(&["show", hash, "--json"], "").await;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["scopes"], serde_json::json!(["files:read"]));
    assert_eq!(
        (&shown["state"], &shown["note"]),
        (&"expired".into(), &"web shop".into())
    );

    service.stack.emulator.shutdown().await;
    let stopped = ["keys", "--data-dir", data_dir, "list"];
    let stopped = service.program.run(&stopped, "").await.failed(4);
    assert!(
        stopped.contains("is not running\nstart it with `cargo run`"),
        "{stopped}"
    );
}

#[tokio::test]
async fn a_key_of_the_setting_is_revoked_with_its_client() {
    let service = Service::start().await;
    let folder = service.data_dir();
    let data_dir = folder.path().to_str().unwrap();
    let refused = run(&service, data_dir, &["revoke", "-"], API_KEY).await;
    let message = refused.failed(1);
    assert!(message.contains("--client"), "{message}");
    let hash = KeyHash::of(API_KEY).to_string();
    let few = ["revoke", &hash[..12], "--client", "acme"];
    let few = run(&service, data_dir, &few, "").await.failed(2);
    assert!(
        few.contains("all 64 digits"),
        "the beginning of a hash names no key: {few}"
    );
    let revoke = ["revoke", "-", "--client", "acme"];
    let revoked = run(&service, data_dir, &revoke, API_KEY).await.succeeded();
    assert!(
        revoked.contains("client   acme\nstate    revoked"),
        "{revoked}"
    );
    service.caas(&["whoami"], "").await.failed(1);
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let service = Service::start().await;
    for (arguments, code, expected) in [
        (&["list"][..], 2, "--stack"),
        (&["new", "Acme"], 2, "a-z, 0-9 and '-'"),
        (&["new", "acme", "--scope", "files:all"], 2, "files:read"),
        (&["expire", "12345678", "90w"], 2, "90d"),
    ] {
        let message = run(&service, "absent", arguments, "").await.failed(code);
        assert!(message.contains(expected), "{message}");
    }
    let folder = service.data_dir();
    let data_dir = folder.path().to_str().unwrap();
    let argument = run(&service, data_dir, &["show", API_KEY], "")
        .await
        .failed(2);
    assert!(
        argument.contains("standard input") && !argument.contains(API_KEY),
        "{argument}"
    );
    for (arguments, expected) in [
        (
            &["show", "00000000"][..],
            "no API key in the registry has this hash",
        ),
        (&["show", "1234"], "at least 8 hex digits"),
        (&["list", "--bucket", "nowhere"], "ListObjectsV2 failed"),
    ] {
        let arguments = [&["keys", "--data-dir", data_dir], arguments].concat();
        let mut command = service.program.command(&arguments);
        // For --bucket, as an operator has them in the environment.
        let emulator = &service.stack.emulator;
        command
            .env("AWS_ENDPOINT_URL_S3", emulator.s3_url())
            .env("AWS_ACCESS_KEY_ID", emulator.access_key_id())
            .env("AWS_SECRET_ACCESS_KEY", emulator.secret_access_key())
            .env("AWS_REGION", emulator.region());
        let message = crate::service::run(command, "", |_| {}).await.failed(1);
        assert!(message.contains(expected), "{message}");
    }
}
