//! The text of the program: its help, which is the page in the guide, and its errors.
//!
//! `TRYCMD=overwrite cargo test -p caas-cli --test documents` writes the snapshots, and
//! `cargo run -p caas-cli -- markdown > docs/guide/cli.md` the page.

use std::{fs, process::Command};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/cli.md");
const CONFIGURATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cmd/configurations/");

#[test]
fn the_page_is_what_the_program_prints() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_caas"));
    let generated = program.arg("markdown").output().unwrap().stdout;
    let is_current = fs::read(PAGE).unwrap_or_default() == generated;
    let remedy = "cargo run -p caas-cli -- markdown > docs/guide/cli.md";
    assert!(
        is_current,
        "docs/guide/cli.md is stale; write it with: {remedy}"
    );
}

/// `--help` of every command, as the page has it.
#[test]
fn the_help_is_what_the_page_says() {
    trycmd::TestCases::new().case(PAGE);
}

/// Errors that need no service: for each folder of cases, `CAAS_URL` and `CAAS_API_KEY`. Some folders have
/// a configuration, too.
#[test]
fn errors_are_what_the_snapshots_say() {
    for (folder, url, api_key) in [
        ("none", "", ""),
        ("connected", "http://localhost:1", "key"),
        ("without-key", "http://localhost:1", ""),
        ("without-url", "", "key"),
        ("in-clear", "http://example.com", "key"),
        ("damaged", "", ""),
        ("staging", "", ""),
    ] {
        trycmd::TestCases::new()
            .env("XDG_CONFIG_HOME", format!("{CONFIGURATIONS}{folder}"))
            .env("CAAS_URL", url)
            .env("CAAS_API_KEY", api_key)
            .case(format!("tests/cmd/{folder}/*.trycmd"));
    }
}
