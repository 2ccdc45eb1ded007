//! `caas-local keys`, next to a running service and without one.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use reqwest::{Client, Method, StatusCode};

use crate::process::{BINARY, Running};

/// Runs `keys` on this data folder, with this on its input.
fn run(data_dir: &Path, arguments: &[&str], input: &str) -> Output {
    let mut program = Command::new(BINARY);
    program
        .arg("keys")
        .args(arguments)
        .arg("--data-dir")
        .arg(data_dir);
    program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = program.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

/// What it prints.
fn keys(data_dir: &Path, arguments: &[&str], input: &str) -> String {
    let output = run(data_dir, arguments, input);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn keys_are_made_listed_expired_and_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path();
    let running = Running::start(data_dir, &[]);
    let status = async |key: &str, method: Method| {
        let request = Client::new().request(method, running.url("/api/files"));
        request
            .header("x-api-key", key)
            .send()
            .await
            .unwrap()
            .status()
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
    let key = keys(data_dir, &new, "").trim_end().to_owned();
    assert_eq!(status(&key, Method::GET).await, StatusCode::OK);
    let upload = Client::new()
        .post(running.url("/api/uploads"))
        .header("x-api-key", &key);
    assert_eq!(upload.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let list = keys(data_dir, &["list"], "");
    assert!(
        list.ends_with("  acme  active  files:read  web shop\n"),
        "{list}"
    );
    let hash = &list[..12];

    let second = keys(data_dir, &["new", "globex"], "").trim_end().to_owned();
    assert!(keys(data_dir, &["expire", hash], "").contains("state    expired"));
    assert!(keys(data_dir, &["revoke", "-"], &second).contains("state    revoked"));
    assert_eq!(status(&second, Method::GET).await, StatusCode::UNAUTHORIZED);
    let globex = keys(data_dir, &["list", "--client", "globex"], "");
    assert!(globex.contains("  globex  revoked  everything"), "{globex}");
    drop(running);

    let shown = keys(data_dir, &["show", hash], "");
    assert!(
        shown.contains("client   acme\nstate    expired\nscopes   files:read\n"),
        "{shown}"
    );
}

#[test]
fn a_key_of_the_setting_is_revoked_with_its_client() {
    let folder = tempfile::tempdir().unwrap();
    drop(Running::start(folder.path(), &[]));
    let key = std::fs::read_to_string(folder.path().join("api-key")).unwrap();
    let refused = run(folder.path(), &["revoke", "-"], &key);
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && message.contains("--client"),
        "{message}"
    );
    let hash = caas_clients::KeyHash::of(key.trim()).to_string();
    let few = run(
        folder.path(),
        &["revoke", &hash[..12], "--client", "local"],
        "",
    );
    assert!(
        !few.status.success(),
        "the beginning of a hash names no key"
    );
    let revoked = keys(folder.path(), &["revoke", "-", "--client", "local"], &key);
    assert!(
        revoked.contains("client   local\nstate    revoked"),
        "{revoked}"
    );
}

#[test]
fn what_is_wrong_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (&["list"][..], "--stack"),
        (&["new", "Acme"], "a-z, 0-9 and '-'"),
        (&["new", "acme", "--scope", "files:all"], "files:read"),
        (&["expire", "12345678", "90w"], "90d"),
    ] {
        let output = run(&folder.path().join("absent"), arguments, "");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && message.contains(expected),
            "{message}"
        );
    }
}
