//! A client lists its files.

use caas_testing::API_KEY;
use http::Method;

use crate::support::{App, get, path_of};

#[tokio::test]
async fn files_are_listed_in_pages() {
    let app = App::start().await;
    let mut ids = Vec::new();
    for len in 0..5 {
        ids.push(app.upload(&format!("{len} ä+.txt"), &vec![b'x'; len]).await);
    }
    let mut seen = Vec::new();
    let mut path = "/api/files?limit=2".to_owned();
    for page in 0..3 {
        let before = app.emulator.calls();
        let list = app.ask(Method::GET, &path).await;
        let calls = app.emulator.calls().since(&before);
        assert_eq!((calls.s3(), calls.kms()), (1, 0));
        assert_eq!(list.status, 200);
        let list = list.json();
        assert_eq!(list.as_object().unwrap().len(), 2);
        seen.extend(list["files"].as_array().unwrap().clone());
        match list["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/files?cursor={cursor}&limit=2"),
            None => assert_eq!(page, 2),
        }
    }
    for (len, (file, id)) in seen.iter().zip(&ids).enumerate() {
        assert_eq!(file["id"], *id, "in the order of upload");
        assert_eq!(file["path"], path_of(id));
        assert_eq!(file["name"], format!("{len} ä+.txt"));
        assert_eq!(file["size"], len);
        let got = app.send(get(API_KEY, id)).await;
        assert_eq!(file["etag"], got.header("etag"));
        assert!(file["created_at"].as_str().unwrap().ends_with('Z'));
        assert_eq!(file.as_object().unwrap().len(), 6);
    }
    assert_eq!(seen.len(), 5);
}

#[tokio::test]
async fn queries_are_checked() {
    let app = App::start().await;
    for query in [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=%2B1",
        "limit=1.5",
        "limit=",
        "limit=x",
        "limit=99999999999999999999",
        "limit=1&limit=2",
        "cursor=*",
        "cursor=YQ==",
        "page=2",
    ] {
        let answer = app.ask(Method::GET, &format!("/api/files?{query}")).await;
        answer.is_problem(query, 400, "invalid-request");
    }
    assert_eq!(app.emulator.calls().s3(), 0);
    for query in ["", "?", "?limit=1", "?limit=1000"] {
        let answer = app.ask(Method::GET, &format!("/api/files{query}")).await;
        assert_eq!(answer.status, 200, "{query}");
        assert_eq!(answer.text(), r#"{"files":[],"next_cursor":null}"#);
    }
}
