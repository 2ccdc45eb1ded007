//! Rules of the whole workspace.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use cargo_metadata::{DependencyKind, MetadataCommand};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// What the crates of a folder may depend on. Nothing depends on tools, except to be tested.
fn allowed(folder: &str) -> &'static [&'static str] {
    match folder {
        "shared/crypto" | "shared/settings" | "shared/audit" => &[],
        "shared/aws" => &["shared/crypto", "shared/settings"],
        "shared/http" => &["shared/crypto", "shared/settings", "shared/audit"],
        "shared/vault" | "shared/users" => &["shared/crypto", "shared/settings", "shared/aws"],
        "shared/inbox" => &[
            "shared/crypto",
            "shared/settings",
            "shared/audit",
            "shared/aws",
            "shared/vault",
        ],
        "shared/clients" => &[
            "shared/crypto",
            "shared/settings",
            "shared/http",
            "shared/aws",
        ],
        "functions" => &["shared/"],
        "tools" => &["shared/", "functions", "tools"],
        "web" => &["shared/crypto"],
        other => panic!("{other} is not a folder for crates"),
    }
}

/// External crates that stay out of a folder.
fn forbidden(folder: &str) -> &'static [&'static str] {
    match folder {
        "shared/crypto" => &[
            "tokio", "futures", "http", "axum", "hyper", "tracing", "aws-", "lambda_",
        ],
        "shared/http" => &["aws-", "lambda_"],
        "shared/aws" | "shared/vault" | "shared/users" | "shared/inbox" => {
            &["axum", "tower-http", "multer", "lambda_"]
        }
        "shared/clients" => &["lambda_"],
        _ => &[],
    }
}

fn folder(manifest: &Path) -> String {
    let root = Path::new(ROOT).canonicalize().unwrap();
    let folder = manifest.parent().unwrap().strip_prefix(root).unwrap();
    let folder = folder.to_str().unwrap().replace('\\', "/");
    match folder.split_once('/').unwrap() {
        ("shared", _) => folder,
        (room, _) => room.to_owned(),
    }
}

#[test]
fn every_crate_depends_only_on_what_it_may() {
    let mut command = MetadataCommand::new();
    let metadata = command.current_dir(ROOT).no_deps().exec().unwrap();
    let packages = metadata.workspace_packages();
    let folders = packages.iter().map(|package| {
        let manifest = package.manifest_path.as_std_path();
        (package.name.to_string(), folder(manifest))
    });
    let folders: BTreeMap<_, _> = folders.collect();
    assert!(folders.len() >= 6, "{folders:?}");
    for package in packages {
        let own = &folders[package.name.as_str()];
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            let tested_with = dependency.kind == DependencyKind::Development;
            if let Some(other) = folders.get(name) {
                let mut allowed = allowed(own).iter();
                let known = allowed.any(|prefix| other.starts_with(prefix)) || tested_with;
                let known = known && (name != "caas-testing" || tested_with);
                assert!(known, "{} must not depend on {name}", package.name);
            }
            let outside = forbidden(own).iter().any(|prefix| name.starts_with(prefix));
            let known = !outside || tested_with;
            assert!(known, "{} must not depend on {name}", package.name);
        }
    }
}

#[test]
fn generated_files_are_what_the_code_says() {
    for (command, file) in [
        ("openapi", "openapi.json"),
        ("problems", "docs/problems.md"),
    ] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_caas-local"));
        let generated = program.arg(command).output().unwrap().stdout;
        let is_current = fs::read(Path::new(ROOT).join(file)).unwrap() == generated;
        let remedy = format!("write it with: cargo run -- {command} > {file}");
        assert!(is_current, "{file} is stale; {remedy}");
    }
}

/// Every file that docs/REQUIREMENTS.md names is there, every test that it or docs/security.md names,
/// and every promise names a check.
#[test]
fn the_requirements_name_what_exists() {
    let root = Path::new(ROOT);
    let text = fs::read_to_string(root.join("docs/REQUIREMENTS.md")).unwrap();
    let (promises, _) = text.split_once("## Where ours differs").unwrap();
    let mut rows = 0;
    for line in promises.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').collect();
        if cells[0].trim() == "promise" {
            continue;
        }
        assert_eq!(cells.len(), 3, "{line}");
        rows += 1;
        let checks = names(cells[2]).filter(|name| name.contains("::") || name.starts_with(".ci/"));
        assert!(checks.count() > 0, "no check: {line}");
    }
    assert!(rows > 50, "{rows} promises");
    let security = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let tests = names(&security).filter(|name| name.contains("::"));
    for name in names(&text).chain(tests) {
        let (file, test) = match name.split_once("::") {
            Some((file, test)) => (file, Some(test)),
            None => (name, None),
        };
        let Ok(content) = fs::read_to_string(root.join(file)) else {
            panic!("there is no file {file}");
        };
        let starts = |test| [format!("fn {test}("), format!("def {test}(")];
        let defined = |test| starts(test).iter().any(|start| content.contains(start));
        assert!(test.is_none_or(defined), "there is no test {name}");
    }
}

/// What is between backticks and looks like a path in this repository.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let in_backticks = text.split('`').skip(1).step_by(2);
    in_backticks.filter(|code| {
        let path = code.split("::").next().unwrap_or_default();
        let extensions = [".json", ".md", ".py", ".rs", ".yaml"];
        let extension = extensions.iter().any(|end| path.ends_with(end));
        let elsewhere = path.starts_with(".caas/") || path.contains(char::is_whitespace);
        !elsewhere && (extension || path.starts_with(".ci/") || path.starts_with("events/"))
    })
}

/// The options are those of curl 7.68, and none of them hides a problem document.
#[test]
fn documented_curl_commands_suit_old_versions_and_show_problems() {
    let mut pages = vec!["README.md".into(), "tools/local/src/welcome.rs".into()];
    for entry in fs::read_dir(Path::new(ROOT).join("docs/guide")).unwrap() {
        pages.push(entry.unwrap().path());
    }
    let mut commands = 0;
    for page in pages {
        let text = fs::read_to_string(Path::new(ROOT).join(page)).unwrap();
        // A command with its continuations.
        for command in text
            .replace("\\\n", " ")
            .lines()
            .filter(|line| line.contains("curl -"))
        {
            commands += 1;
            assert!(command.contains("curl -sS "), "{command}");
            for newer in ["%header{", "--json", "--fail", "--retry-all-errors", " -f "] {
                assert!(!command.contains(newer), "{command}");
            }
        }
    }
    assert!(commands > 20, "{commands} commands found");
}
