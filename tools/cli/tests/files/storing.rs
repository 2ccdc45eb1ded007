//! `caas put`.

use std::fs;

use caas_testing::{Fault, INBOX, VAULT};

use crate::support::{Stack, key_of, large};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stored_is_listed_described_fetched_and_deleted() {
    let stack = Stack::start().await;
    stack.file("report.txt", b"annual report");
    let put = stack.run(&["put", "report.txt", "--content-type", "text/plain"]);
    let (id, name) = put.lines(0)[0].split_once("  ").unwrap();
    assert_eq!(name, "report.txt");
    assert_eq!(stack.visible(VAULT).await, [key_of(id)]);

    assert_eq!(stack.run(&["ls"]).lines(0), ["report.txt"]);
    let long = stack.run(&["ls", "-l"]);
    assert!(long.lines(0)[0].trim_start().starts_with("13 B  20"));
    let path = key_of(id);
    let path = path.strip_prefix("acme/").unwrap();
    assert!(long.lines(0)[0].ends_with(&format!("Z  {id}  {path}")));

    let info = stack.run(&["info", "report.txt"]);
    let expected = [
        "Name:         report.txt",
        &format!("ID:           {id}"),
        &format!("Path:         {path}"),
        "Size:         13 B (13 bytes)",
        "Content type: text/plain",
    ];
    assert_eq!(info.lines(0)[..5], expected);

    fs::remove_file(stack.path("report.txt")).unwrap();
    assert_eq!(stack.run(&["get", "report.txt"]).lines(0), ["report.txt"]);
    assert_eq!(
        fs::read(stack.path("report.txt")).unwrap(),
        b"annual report"
    );
    assert_eq!(stack.files(), ["report.txt"]);

    let deleted = stack.run(&["rm", "report.txt"]);
    assert!(deleted.lines(0)[0].contains("can recover"), "{deleted:?}");
    assert_eq!(stack.run(&["ls"]).lines(0), [""; 0]);
    assert_eq!(stack.versions(VAULT).await, (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_are_objects_with_json() {
    let stack = Stack::start().await;
    stack.file("a.txt", b"a");
    let [put] = &stack
        .run(&["--json", "put", "a.txt", "--name", "b.txt"])
        .objects()[..]
    else {
        panic!("one file has one line");
    };
    let id = put["id"].as_str().unwrap();
    let expected = serde_json::json!({"id": id, "name": "b.txt", "size": 1, "path": "a.txt"});
    assert_eq!(*put, expected);
    let listed = stack.run(&["ls", "--json"]).objects();
    let size = (&listed[0]["id"], &listed[0]["name"], &listed[0]["size"]);
    assert_eq!(size, (&put["id"], &put["name"], &put["size"]));
    let info = stack.run(&["info", id, "--json"]).objects();
    assert_eq!(info[0]["path"], listed[0]["path"]);
    let got = stack.run(&["get", id, "--json"]).objects();
    assert_eq!(got[0]["path"], "b.txt");
    let mut purged = stack.run(&["rm", id, "--purge", "-y", "--json"]).objects();
    let receipt = purged[0].as_object_mut().unwrap().remove("receipt");
    assert_eq!(receipt.unwrap()["versions_removed"], 1);
    let expected = serde_json::json!({"id": id, "name": "b.txt", "purged": true});
    assert_eq!(purged, [expected]);
    let absent = stack.run(&["info", id, "--json"]);
    let error: serde_json::Value = serde_json::from_str(&absent.stderr).unwrap();
    assert_eq!((absent.code, &error["exit"]), (Some(1), &1.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_are_stored_file_by_file_and_a_failure_stops_no_other() {
    let stack = Stack::start().await;
    for (path, content) in [("f/a", "1"), ("f/b/a", "2"), ("f/b/c", "3"), ("f/d", "4")] {
        stack.file(path, content.as_bytes());
    }
    stack
        .run(&["put", "f"])
        .failed(1, &["error: f: this is a folder", "-r stores"]);
    #[cfg(unix)]
    std::os::unix::fs::symlink("..", stack.path("f/b/up")).unwrap();
    let put = stack.run(&["put", "absent", "-r", "f", "--json"]);
    assert_eq!(put.code, Some(1));
    assert!(put.stderr.contains("absent"), "{put:?}");
    assert!(put.stderr.contains("1 of 5 files failed"), "{put:?}");
    let stored = str::from_utf8(&put.stdout).unwrap().lines().map(|line| {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        (object["path"].to_string(), object["name"].to_string())
    });
    let mut stored: Vec<_> = stored.collect();
    stored.sort();
    let expected = [("f/a", "a"), ("f/b/a", "a"), ("f/b/c", "c"), ("f/d", "d")];
    let expected = expected.map(|(path, name)| (format!("{path:?}"), format!("{name:?}")));
    assert_eq!(stored, expected);
    let candidates = stack.run(&["get", "a"]);
    candidates.failed(1, &["error: a: 2 files have this name", "by its ID"]);
    for wrong in [
        &["put", "f/a", "f/d", "--name", "x"][..],
        &["put", "-r", "f", "--name", "x"],
        &["put", "-", "-"],
        &["put", "f/a", "--name", "a/b"],
    ] {
        stack.run(wrong).failed(2, &["error: "]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standard_input_is_stored_and_standard_output_gets_the_same() {
    let stack = Stack::start().await;
    let large = large();
    for content in [&b""[..], b"from a pipe", &large] {
        // The first attempt fails, and what was read is read again.
        let cut = Fault::CutRequest(5);
        let rule = cut.once(|request| request.method == "PUT");
        stack.proxies.s3.set_rule(rule);
        let id = stack.stored("piped", content);
        let got = stack.run(&["get", &id, "-o", "-"]);
        assert_eq!(got.code, Some(0), "{}", got.stderr);
        assert!(got.stdout == content, "{} bytes", content.len());
        assert_eq!((stack.temporary(), stack.files()), (vec![], vec![]));
    }
    let unnamed = stack.run_with(&["put", "-"], b"x");
    assert!(unnamed.lines(0)[0].ends_with("  stdin"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_inbox_mode_the_service_encrypts() {
    let stack = Stack::start().await;
    stack.file("a.txt", b"plaintext");
    let put = stack.run(&["put", "a.txt", "--mode", "inbox"]);
    let (id, _) = put.lines(0)[0].split_once("  ").unwrap();
    let (_, stored) = stack.get_raw(INBOX, &key_of(id)).await;
    assert_eq!(stored, b"plaintext");
    assert!(put.stderr.contains("within seconds"), "{put:?}");
    // It can be deleted before it is sealed.
    assert_eq!(stack.run(&["rm", id]).lines(0).len(), 1);
}
