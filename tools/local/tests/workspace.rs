//! Rules of the whole workspace.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use cargo_metadata::{DependencyKind, MetadataCommand};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Which room each room may build on. Nothing builds on tools, except to be tested.
fn allowed(room: &str) -> &'static [&'static str] {
    match room {
        "shared/crypto" => &[],
        "shared/http" | "shared/aws" => &["shared/crypto"],
        "functions" => &["shared/crypto", "shared/http", "shared/aws"],
        "tools" => &[
            "shared/crypto",
            "shared/http",
            "shared/aws",
            "functions",
            "tools",
        ],
        other => panic!("{other} is no room of this house"),
    }
}

/// Crates of the outside world that stay out of a room.
fn forbidden(room: &str) -> &'static [&'static str] {
    match room {
        "shared/crypto" => &[
            "tokio", "futures", "http", "axum", "hyper", "tracing", "aws-", "lambda_",
        ],
        "shared/http" => &["aws-", "lambda_"],
        "shared/aws" => &["axum", "tower-http", "multer", "lambda_"],
        _ => &[],
    }
}

fn room(manifest: &Path) -> String {
    let root = Path::new(ROOT).canonicalize().unwrap();
    let folder = manifest.parent().unwrap().strip_prefix(root).unwrap();
    let folder = folder.to_str().unwrap().replace('\\', "/");
    match folder.split_once('/').unwrap() {
        ("shared", _) => folder,
        (room, _) => room.to_owned(),
    }
}

#[test]
fn every_room_knows_only_what_it_may() {
    let metadata = MetadataCommand::new()
        .current_dir(ROOT)
        .no_deps()
        .exec()
        .unwrap();
    let rooms: BTreeMap<_, _> = metadata
        .workspace_packages()
        .into_iter()
        .map(|package| {
            (
                package.name.to_string(),
                room(package.manifest_path.as_std_path()),
            )
        })
        .collect();
    assert!(rooms.len() >= 6, "{rooms:?}");
    for package in metadata.workspace_packages() {
        let room = &rooms[package.name.as_str()];
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            let tested_with = dependency.kind == DependencyKind::Development;
            if let Some(other) = rooms.get(name) {
                let known = allowed(room).contains(&other.as_str()) || tested_with;
                assert!(known, "{} must not depend on {name}", package.name);
            }
            let outside = forbidden(room)
                .iter()
                .any(|prefix| name.starts_with(prefix));
            assert!(
                !outside || tested_with,
                "{} must not depend on {name}",
                package.name
            );
        }
    }
}

#[test]
fn openapi_json_is_what_the_code_says() {
    let output = Command::new(env!("CARGO_BIN_EXE_caas-local"))
        .arg("openapi")
        .output()
        .unwrap();
    let written = fs::read_to_string(Path::new(ROOT).join("openapi.json")).unwrap();
    assert!(
        String::from_utf8(output.stdout).unwrap() == written,
        "openapi.json is stale; write it with: cargo run -- openapi > openapi.json"
    );
}
