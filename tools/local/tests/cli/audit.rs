//! The audit trail in the data folder.

use std::{fs, path::Path};

use reqwest::Method;
use serde_json::{Value, json};

use crate::process::Running;

/// The lines of every file.
fn lines(data_dir: &Path) -> Vec<Value> {
    let mut paths: Vec<_> = fs::read_dir(data_dir.join("audit"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap());
    let texts: String = texts.collect();
    let lines = texts
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// Method, route and outcome.
fn ended(line: &Value) -> String {
    let text = |field: &str| line[field].as_str().unwrap_or("-").to_owned();
    format!("{} {}", text("operation"), text("outcome"))
}

#[tokio::test]
async fn handing_out_the_api_key_is_in_the_trail() {
    let folder = tempfile::tempdir().unwrap();
    let program = Running::start(folder.path(), &[]);
    let (_, code) = program.greeting.split_once("/#code=").unwrap();
    let code = code.lines().next().unwrap();
    for code in ["0", code, code] {
        let request = program.request(Method::POST, "/local/api-key");
        let request = request.json(&json!({"code": code}));
        request.send().await.unwrap();
    }
    let said: Vec<_> = lines(folder.path()).iter().map(ended).collect();
    let outcomes = ["not-found", "ok", "not-found"];
    assert_eq!(
        said,
        outcomes.map(|outcome| format!("POST /local/api-key {outcome}"))
    );
}

#[tokio::test]
async fn the_trail_outlives_a_killed_program_and_the_next_start_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let mut program = Running::start(folder.path(), &["--lambda-limits"]);
        for (method, path) in [
            (Method::GET, "/health"),
            (Method::GET, "/api/files"),
            (
                Method::DELETE,
                "/users/123e4567-e89b-12d3-a456-426614174000",
            ),
        ] {
            program.request(method, path).send().await.unwrap();
        }
        program.child.kill().unwrap();
        program.child.wait().unwrap();
    }
    let lines = lines(folder.path());
    let told = |line: &Value| {
        let text = |field: &str| line[field].as_str().unwrap_or("-").to_owned();
        let seq = &line["seq"];
        format!("{seq} {} {}", text("client"), ended(line))
    };
    let once = [
        "1 - GET /health ok",
        "2 local GET /api/files ok",
        "3 local DELETE /users/{uuid} -",
        "4 local DELETE /users/{uuid} not-found",
    ];
    let said: Vec<_> = lines.iter().map(told).collect();
    assert_eq!(said, [once, once].concat());
    let processes = [0, 3, 4, 7].map(|line| &lines[line]["process"]);
    assert!(processes[0] == processes[1] && processes[2] == processes[3]);
    assert_ne!(processes[0], processes[2]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let audit = folder.path().join("audit");
        assert_eq!(mode(&audit), 0o700);
        for entry in fs::read_dir(&audit).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
    }
}
