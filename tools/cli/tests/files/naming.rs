//! Files are named by ID, path or name; and what names do to a terminal.

use caas_testing::{Fault, VAULT};
use serde_json::json;

use crate::support::{Stack, key_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_has_an_id_a_path_and_a_name() {
    let stack = Stack::start().await;
    let (one, two) = (stack.stored("a.txt", b"1"), stack.stored("a.txt", b"2"));
    let other = stack.stored("Makefile", b"3");
    let path = key_of(&one);
    let path = path.strip_prefix("acme/").unwrap();
    for (wanted, content) in [(&*two, "2"), (path, "1"), ("Makefile", "3"), (&other, "3")] {
        let got = stack.run(&["get", wanted, "-o", "-"]);
        assert_eq!(got.lines(0), [content], "{wanted}");
    }
    let several = stack.run(&["info", "a.txt"]);
    several.failed(1, &["2 files have this name", &one, &two, "1 B"]);
    for absent in ["b.txt", "a/b.txt", "b", "a.tx"] {
        stack
            .run(&["get", absent])
            .failed(1, &[absent, "no file has this name or ID", "ls"]);
    }
    let folder = path.split_once('/').unwrap().0;
    for (prefix, listed) in [("a", 2), ("Make", 1), (folder, 1), ("x", 0)] {
        assert_eq!(
            stack.run(&["ls", prefix]).lines(0).len(),
            listed,
            "{prefix}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_purged_is_gone_and_asked_for_first() {
    let stack = Stack::start().await;
    let (one, two) = (stack.stored("a", b"1"), stack.stored("b", b"2"));
    let asked = stack.run(&["rm", &one, "b", "--purge"]);
    asked.failed(2, &["there is no terminal", "--yes"]);
    assert_eq!(stack.visible(VAULT).await.len(), 2);
    // A deleted file can still be purged, and files are deleted whatever happens to others.
    assert_eq!(stack.run(&["rm", &one]).lines(0).len(), 1);
    let purged = stack.run(&["rm", &one, "absent", &two, "--purge", "--yes"]);
    assert_eq!(purged.lines(1).len(), 2);
    assert!(
        purged.stderr.contains("error: absent: no file"),
        "{purged:?}"
    );
    assert_eq!(stack.versions(VAULT).await.0, 0);
    stack.run(&["rm", &two]).failed(1, &["Not found"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_listings_come_page_by_page() {
    let stack = Stack::start().await;
    let id = stack.stored("wanted", b"1");
    let (first, id) = (page("other", "a", Some("next")), &id);
    let second = page("wanted", id, None);
    stack.service_proxy.set_rule(move |request| {
        let respond = |page: &str| Fault::Respond(200, "application/json", page.to_owned());
        match request.path_and_query.contains("/api/files?") {
            true if request.path_and_query.ends_with("&cursor=next") => respond(&second),
            true => respond(&first),
            false => Fault::Forward,
        }
    });
    assert_eq!(stack.run(&["ls"]).lines(0), ["other", "wanted"]);
    let found = stack.run(&["info", "wanted"]);
    assert_eq!(found.lines(0)[1], format!("ID:           {id}"));
    assert!(found.stderr.contains("Listing all files"), "{found:?}");
    assert_eq!(stack.run(&["info", "wanted", "-q"]).stderr, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_do_nothing_to_the_terminal() {
    let stack = Stack::start().await;
    let name = "a\u{1b}]0;b\u{7}\r\n\u{9b}31m\u{202e}txt";
    let listing = page(name, "YQ", None);
    stack.service_proxy.set_rule(move |request| {
        match request.path_and_query.contains("/api/files?") {
            true => Fault::Respond(200, "application/json", listing.clone()),
            false => Fault::Forward,
        }
    });
    let is_harmless = |c: char| !c.is_control() && c != '\u{202e}' || c == '\n';
    for arguments in [&["ls"][..], &["ls", "-l"], &["ls", "--json"]] {
        let listed = stack.run(arguments);
        let lines = listed.lines(0);
        assert_eq!(lines.len(), 1, "{arguments:?}");
        assert!(lines[0].chars().all(is_harmless), "{arguments:?}");
    }
    assert_eq!(stack.run(&["ls", "--json"]).objects()[0]["name"], name);
    stack.file("a\u{1b}[2J", b"x");
    for arguments in [
        &["info", name][..],
        &["get", name],
        &["rm", name],
        &["put", "a\u{1b}[2J"],
        &["put", name],
    ] {
        let refused = stack.run(arguments);
        refused.failed(1, &["a\\u{1b}"]);
        assert!(refused.stderr.chars().all(is_harmless), "{arguments:?}");
    }
}

/// A page of a listing, with one file.
fn page(name: &str, id: &str, next: Option<&str>) -> String {
    let file = json!({
        "id": id,
        "path": format!("folder/{name}"),
        "name": name,
        "size": 1_500_000,
        "created_at": "2026-01-01T00:00:00Z",
        "etag": "\"e\"",
    });
    json!({"files": [file], "next_cursor": next}).to_string()
}
