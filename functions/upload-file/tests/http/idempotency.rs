//! An upload with an `Idempotency-Key` may be repeated.

use caas_testing::{API_KEY, VAULT, request, with};
use futures::future::join_all;
use http::Method;

use crate::support::{App, get, upload};

#[tokio::test]
async fn a_repeat_answers_the_stored_file() {
    let app = App::start().await;
    let send = |key: &str, name: &str, content: &[u8]| {
        app.send(with(upload(API_KEY, name, content), "idempotency-key", key))
    };
    let first = send("k1", "a.txt", b"first").await;
    assert_eq!(first.status, 201);
    assert_eq!(first.header("idempotency-replayed"), "");
    let id = first.json()["file"]["id"].as_str().unwrap().to_owned();

    for (name, content) in [
        ("a.txt", &b"first"[..]),
        ("a.txt", b"other"),
        ("b.txt", b"third"),
    ] {
        let before = app.emulator.calls();
        let repeat = send("k1", name, content).await;
        assert_eq!(app.emulator.calls().since(&before).kms(), 0);
        assert_eq!(repeat.status, 201);
        assert_eq!(repeat.header("idempotency-replayed"), "true");
        assert_eq!(repeat.header("location"), first.header("location"));
        let (mut repeated, mut stored) = (repeat.json(), first.json());
        for file in [&mut repeated, &mut stored] {
            file["file"]["created_at"].take(); // the clock may have moved on by a second
        }
        assert_eq!(repeated, stored);
    }
    assert_eq!(app.send(get(API_KEY, &id)).await.body, b"first");
    assert_eq!(app.versions(VAULT).await, (1, 0));

    let second = send("k2", "a.txt", b"second").await;
    assert_eq!(second.header("idempotency-replayed"), "");
    assert_eq!(app.versions(VAULT).await, (2, 0));

    // What was deleted may be uploaded again.
    let delete = request(Method::DELETE, API_KEY, &format!("/api/files/{id}"));
    assert_eq!(app.send(delete).await.status, 204);
    let again = send("k1", "a.txt", b"again").await;
    assert_eq!(again.header("idempotency-replayed"), "");
    assert_eq!(app.send(get(API_KEY, &id)).await.body, b"again");
}

#[tokio::test]
async fn of_many_at_once_one_stores() {
    let app = App::start().await;
    let uploads = (0..16u8).map(|i| upload(API_KEY, "a.txt", &[i; 100]));
    let repeats = uploads.map(|upload| app.send(with(upload, "idempotency-key", "k")));
    let answers = join_all(repeats).await;
    let stored =
        |answer: &&caas_testing::TestResponse| answer.header("idempotency-replayed") != "true";
    assert_eq!(answers.iter().filter(stored).count(), 1);
    assert!(answers.iter().all(|answer| answer.status == 201));
    assert_eq!(app.versions(VAULT).await, (1, 0));
}

#[tokio::test]
async fn keys_that_are_none_are_refused() {
    let app = App::start().await;
    let send = |request| app.send(request);
    for key in ["", &"k".repeat(256)] {
        let answer = send(with(upload(API_KEY, "a", b"x"), "idempotency-key", key)).await;
        answer.is_problem(key, 400, "invalid-request");
    }
    let twice = with(upload(API_KEY, "a", b"x"), "idempotency-key", "k");
    let answer = send(with(twice, "idempotency-key", "k")).await;
    answer.is_problem("twice", 400, "invalid-request");
    assert_eq!(app.emulator.calls().s3(), 0);
}
