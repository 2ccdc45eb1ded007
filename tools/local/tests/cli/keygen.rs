//! `caas-local keygen`.

use std::{
    fs,
    process::{Command, Output},
};

use caas_clients::{ConfiguredKeys, KeyHash};

use crate::process::BINARY;

/// Runs in an empty folder and leaves it empty.
fn keygen(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Command::new(BINARY);
    program.arg("keygen").args(arguments);
    let output = program.current_dir(folder.path()).output().unwrap();
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "{arguments:?} left something");
    output
}

/// The key that was printed, and the entry to deploy.
fn printed(client: &str) -> (String, String) {
    let output = keygen(&[client]);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let after = |prefix: &str| {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(prefix));
        let found = lines.next().unwrap().to_owned();
        assert_eq!(lines.next(), None, "{text}");
        found
    };
    let (key, entry) = (format!("caas_{}", after("  caas_")), after("  API_KEYS="));
    assert_eq!(text.matches(&key[5..]).count(), 1, "{text}");
    let deploy = after("  sam deploy ");
    let with_others = format!("--parameter-overrides \"ApiKeys=$DEPLOYED,{entry}\"");
    assert_eq!(deploy, with_others);
    (key, entry)
}

#[test]
fn the_line_lets_exactly_the_new_key_in() {
    let longest = "a-9".repeat(10) + "zz";
    for client in ["acme", "-", "0", &longest] {
        let (key, entry) = printed(client);
        assert_eq!(key.len(), 54, "caas_, 256 bits in base64url, a checksum");
        assert_eq!(entry, format!("{client}:{}", KeyHash::of(&key)));
        let deployed: ConfiguredKeys = entry.parse().unwrap();
        let found = deployed.client(&KeyHash::of(&key)).unwrap();
        assert_eq!(found.as_str(), client);
    }
    assert_ne!(printed("acme"), printed("acme"));
}

#[test]
fn a_wrong_name_makes_no_key() {
    let too_long = "a".repeat(33);
    for name in [
        "", "Acme", "a_b", "a/b", "a b", "a:b", "a,b", "ä", &too_long,
    ] {
        let output = keygen(&[name]);
        assert!(!output.status.success(), "{name}");
        assert!(output.stdout.is_empty(), "{name}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains("a-z, 0-9 and '-'"), "{name}: {message}");
    }
    for arguments in [&[][..], &["acme", "globex"]] {
        let output = keygen(arguments);
        assert!(!output.status.success() && output.stdout.is_empty());
    }
}
