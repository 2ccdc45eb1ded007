//! `caas get`.

use std::fs;

use crate::support::Stack;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_is_replaced_by_surprise() {
    let stack = Stack::start().await;
    let id = &*stack.stored("a.txt", b"new");
    let read = |name: &str| fs::read_to_string(stack.path(name)).unwrap();
    stack.file("a.txt", b"old");
    stack.file("folder/a.txt", b"old");
    stack
        .run(&["get", id])
        .failed(1, &["error: a.txt: this file exists already", "-f"]);
    stack
        .run(&["get", id, "-o", "folder"])
        .failed(1, &["folder/a.txt: this file exists"]);
    assert_eq!(
        (read("a.txt"), read("folder/a.txt")),
        ("old".into(), "old".into())
    );
    assert_eq!(stack.run(&["get", id, "--force"]).lines(0), ["a.txt"]);
    assert_eq!(read("a.txt"), "new");
    let got = stack.run(&["get", id, "-f", "-o", "folder"]);
    assert_eq!(got.lines(0), ["folder/a.txt"]);
    assert_eq!(read("folder/a.txt"), "new");
    // A name that was given is meant.
    stack.file("b.txt", b"old");
    assert_eq!(stack.run(&["get", id, "-o", "b.txt"]).lines(0), ["b.txt"]);
    assert_eq!(read("b.txt"), "new");
    let nowhere = stack.run(&["get", id, "-o", "absent/b.txt"]);
    nowhere.failed(1, &["error: absent/b.txt: ", "-o FILE"]);
    #[cfg(unix)]
    {
        stack
            .run(&["get", id, "-o", "/dev/null"])
            .failed(1, &["not a regular file"]);
        stack.file("c.txt", b"old");
        std::os::unix::fs::symlink("c.txt", stack.path("link")).unwrap();
        stack.run(&["get", id, "-o", "link"]).lines(0);
        assert_eq!(read("c.txt"), "new");
        assert!(
            fs::symlink_metadata(stack.path("link"))
                .unwrap()
                .is_symlink()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_impossible_is_refused_with_the_reason() {
    let stack = Stack::start().await;
    let refused = stack.run(&["get", "a.txt", "-o", "-", "--range", "0-5"]);
    refused.failed(2, &["before all of it is verified", "tail -c"]);
    let mixed = stack.run(&["get", "a.txt", "-o", "-", "--json"]);
    mixed.failed(2, &["would mix"]);
    assert_eq!(stack.service_proxy.requests(), 0);
}
