//! Records that are not what they should be.

use caas_testing::USER_KEYS;
use http::Method;
use serde_json::{Value, json};

use crate::support::{OTHER_USER, Options, Process, Stack, USER, record_of};

/// What was made with a record that was in order.
struct Made {
    digests: [String; 2],
    values: [String; 2],
}

/// A user with two versions, of another cipher each.
async fn user_with_two_versions(stack: &Stack) -> Made {
    let [first, second] = ["sha256", "blake3"].map(|ciphers| {
        let ciphers = Some(ciphers);
        Options {
            ciphers,
            ..Options::default()
        }
        .process(stack)
    });
    let (digest_1, value_1) = (
        first.digest(USER, "datum").await,
        first.seal(USER, "datum").await,
    );
    second.rotate(USER).await;
    let (digest_2, value_2) = (
        second.digest(USER, "datum").await,
        second.seal(USER, "datum").await,
    );
    Made {
        digests: [digest_1, digest_2],
        values: [value_1, value_2],
    }
}

/// Checks that nothing comes out of a damaged record, and that it stays as it is.
async fn check_nothing_works(stack: &Stack, made: &Made, case: &str) {
    let before = stack.record_versions(&record_of(USER)).await;
    let damaged =
        |answer: caas_testing::TestResponse| answer.is_problem(case, 422, "integrity-failure");
    let path = format!("/users/{USER}");
    let process = stack.process();
    damaged(
        process
            .post("/encrypt", USER, json!({"sensitiveData": "datum"}))
            .await,
    );
    damaged(process.send(Method::GET, &path).await);
    damaged(process.send(Method::POST, &format!("{path}/rotate")).await);
    for value in &made.values {
        damaged(process.decrypt(USER, value).await);
    }
    let values = json!({"encryptedData": made.values});
    let answer = process.post("/decrypt", USER, values).await.ok();
    assert_eq!(answer["sensitive_data"], json!([null, null]), "{case}");
    assert_eq!(
        answer["errors"][1]["type"], "/problems/integrity-failure",
        "{case}"
    );
    for digest in &made.digests {
        let fields = json!({"sensitiveData": "datum", "encryptedData": digest});
        damaged(process.post("/verify", USER, fields).await);
    }
    assert_eq!(
        stack.record_versions(&record_of(USER)).await,
        before,
        "{case}: it was written over"
    );
}

#[tokio::test]
async fn cut_and_unreadable_records_are_left_alone() {
    let stack = Stack::start().await;
    let made = user_with_two_versions(&stack).await;
    let text = String::from_utf8(stack.record_text(&record_of(USER)).await).unwrap();
    for (case, damaged) in [
        ("empty", String::new()),
        ("cut", text[..text.len() / 2].to_owned()),
        ("without its last byte", text[..text.len() - 1].to_owned()),
        ("not JSON", "x".repeat(text.len())),
        ("another object", "{}".to_owned()),
        ("a byte more", format!("{text} ")),
        ("too long", "x".repeat(2_000_000)),
        ("another client's", text.replace("\"acme\"", "\"globex\"")),
        (
            "a version missing in between",
            text.replacen("\"version\":2", "\"version\":3", 1),
        ),
        (
            "no version",
            json!({"format": "caas-user-key:v1", "client": "acme", "user": USER,
            "versions": []})
            .to_string(),
        ),
    ] {
        assert_ne!(damaged, text, "{case}");
        stack.overwrite(&record_of(USER), damaged).await;
        check_nothing_works(&stack, &made, case).await;
    }
    stack.overwrite(&record_of(USER), text).await;
    check_all_works(&stack.process(), &made).await;
}

async fn check_all_works(process: &Process, made: &Made) {
    for (digest, value) in made.digests.iter().zip(&made.values) {
        assert!(process.verify(USER, "datum", digest).await);
        assert_eq!(
            process.decrypt(USER, value).await.ok()["sensitive_data"],
            "datum"
        );
    }
    assert_eq!(process.digest(USER, "datum").await, made.digests[1]);
}

#[tokio::test]
async fn another_users_record_opens_nothing() {
    let stack = Stack::start().await;
    let made = user_with_two_versions(&stack).await;
    stack.process().digest(OTHER_USER, "datum").await;
    stack.process().rotate(OTHER_USER).await;
    let other = String::from_utf8(stack.record_text(&record_of(OTHER_USER)).await).unwrap();
    stack.overwrite(&record_of(USER), other.clone()).await;
    check_nothing_works(&stack, &made, "as it is").await;
    stack
        .overwrite(&record_of(USER), other.replace(OTHER_USER, USER))
        .await;
    check_nothing_works(&stack, &made, "with the name changed").await;
}

/// However many values ask for it.
#[tokio::test]
async fn a_version_that_does_not_open_is_asked_for_once_a_request() {
    let stack = Stack::start().await;
    let made = user_with_two_versions(&stack).await;
    let record = stack.record(&record_of(USER)).await;
    let text = String::from_utf8(stack.record_text(&record_of(USER)).await).unwrap();
    let wrapped = |version: usize| record["versions"][version]["wrapped_key"].to_string();
    let edited = text.replace(&wrapped(1), &wrapped(0));
    stack.overwrite(&record_of(USER), edited).await;

    let before = stack.emulator.calls();
    let values = vec![made.values[1].clone(); 100];
    let answer = stack
        .process()
        .post("/decrypt", USER, json!({"encryptedData": values}))
        .await;
    assert_eq!(answer.ok()["errors"].as_array().unwrap().len(), 100);
    let calls = stack.emulator.calls().since(&before);
    assert!(calls.kms() <= 1 && calls.s3() <= 2, "{calls:?}");
}

#[tokio::test]
async fn an_edited_version_opens_nothing() {
    let stack = Stack::start().await;
    let made = user_with_two_versions(&stack).await;
    let record = stack.record(&record_of(USER)).await;
    let text = String::from_utf8(stack.record_text(&record_of(USER)).await).unwrap();
    let latest = &record["versions"][1];
    let edit = |field: &str, value: Value| {
        let old = format!("\"{field}\":{}", latest[field]);
        let position = text.rfind(&old).unwrap();
        format!(
            "{}\"{field}\":{value}{}",
            &text[..position],
            &text[position + old.len()..]
        )
    };
    let other_length = if latest["salt_length"] == 8 { 16 } else { 8 };
    let first = &record["versions"][0];
    for (field, value) in [
        (
            "created_at",
            json!(latest["created_at"].as_u64().unwrap() - 1),
        ),
        ("cipher", json!("sha256")), // of the same length
        ("cipher", json!("md5")),
        ("salt_length", json!(other_length)),
        ("wrapped_key", first["wrapped_key"].clone()),
        ("mac", first["mac"].clone()),
        ("wrapped_key", json!("AAAA")),
    ] {
        stack.overwrite(&record_of(USER), edit(field, value)).await;
        let process = stack.process();
        let before = stack.record_versions(&record_of(USER)).await;
        for (path, fields) in [
            ("/encrypt", json!({"sensitiveData": "datum"})),
            (
                "/verify",
                json!({"sensitiveData": "datum", "encryptedData": made.digests[1]}),
            ),
            (
                "/verify",
                json!({"sensitiveData": "datum", "encryptedData": made.values[1]}),
            ),
            ("/decrypt", json!({"encryptedData": made.values[1]})),
        ] {
            let answer = process.post(path, USER, fields).await;
            answer.is_problem(&format!("{path}, {field}"), 422, "integrity-failure");
        }
        let rotate = process
            .send(Method::POST, &format!("/users/{USER}/rotate"))
            .await;
        rotate.is_problem(field, 422, "integrity-failure");
        let show = process.send(Method::GET, &format!("/users/{USER}")).await;
        show.is_problem(field, 422, "integrity-failure");
        assert_eq!(
            stack.record_versions(&record_of(USER)).await,
            before,
            "{field}"
        );

        // The version that was left alone still serves; the others of a batch do not stop it.
        let fields = json!({"encryptedData": made.values});
        let answer = process.post("/decrypt", USER, fields).await.ok();
        assert_eq!(answer["sensitive_data"], json!(["datum", null]), "{field}");
    }
    stack.overwrite(&record_of(USER), text).await;
    check_all_works(&stack.process(), &made).await;
}

#[tokio::test]
async fn an_older_record_opens_what_it_holds_and_no_more() {
    let stack = Stack::start().await;
    let process = stack.process();
    let value_1 = process.seal(USER, "datum").await;
    let older = stack.record_text(&record_of(USER)).await;
    process.rotate(USER).await;
    let (digest_2, value_2) = (
        process.digest(USER, "datum").await,
        process.seal(USER, "datum").await,
    );
    stack.overwrite(&record_of(USER), older).await;

    // Whoever knows better says so: a process that looks again.
    let fields = json!({"sensitiveData": "other", "encryptedData": digest_2});
    let answer = process.post("/verify", USER, fields).await;
    answer.is_problem("rolled back", 422, "integrity-failure");

    // Who has not seen the newer one cannot know, and answers nothing wrong.
    let process = stack.process();
    assert_eq!(
        process.decrypt(USER, &value_1).await.ok()["sensitive_data"],
        "datum"
    );
    process
        .decrypt(USER, &value_2)
        .await
        .is_problem("newer", 422, "integrity-failure");
    assert!(!process.verify(USER, "datum", &value_2).await);
    assert!(!process.verify(USER, "datum", &digest_2).await);
    // A version number given out again has another key.
    assert_eq!(process.rotate(USER).await, 2);
    process
        .decrypt(USER, &value_2)
        .await
        .is_problem("renumbered", 422, "integrity-failure");
    assert!(!process.verify(USER, "datum", &digest_2).await);
}

#[tokio::test]
async fn a_record_deleted_by_somebody_else_is_not_replaced() {
    let stack = Stack::start().await;
    let made = user_with_two_versions(&stack).await;
    let versions = stack.record_versions(&record_of(USER)).await;
    let delete = stack.clients.s3.delete_object().bucket(USER_KEYS);
    let marker = delete.key(record_of(USER)).send().await.unwrap();
    check_nothing_works(&stack, &made, "delete marker").await;
    assert_eq!(stack.record_versions(&record_of(USER)).await, versions);

    let undelete = stack.clients.s3.delete_object().bucket(USER_KEYS);
    let undelete = undelete
        .key(record_of(USER))
        .version_id(marker.version_id.unwrap());
    undelete.send().await.unwrap();
    check_all_works(&stack.process(), &made).await;
}

#[tokio::test]
async fn shredding_destroys_what_does_not_open() {
    let stack = Stack::start().await;
    let made = user_with_two_versions(&stack).await;
    let text = String::from_utf8(stack.record_text(&record_of(USER)).await).unwrap();
    let edited = text.replace("\"cipher\":\"blake3\"", "\"cipher\":\"md5\"");
    stack.overwrite(&record_of(USER), edited).await;
    stack.process().shred(USER).await;
    assert_eq!(stack.record_versions(&record_of(USER)).await.len(), 1);
    for value in &made.values {
        let answer = stack.process().decrypt(USER, value).await;
        answer.is_problem("shredded", 422, "integrity-failure");
    }
}

/// The version before the damage knows the numbers; with the damage, it goes.
#[tokio::test]
async fn shredding_goes_below_what_is_damaged() {
    enum Damage {
        Texts(&'static [&'static str]),
        Deleted,
    }
    for (case, damage) in [
        ("unreadable", Damage::Texts(&["x"])),
        ("unreadable, several times", Damage::Texts(&["", "{}", "x"])),
        ("deleted", Damage::Deleted),
    ] {
        let stack = Stack::start().await;
        let made = user_with_two_versions(&stack).await;
        match damage {
            Damage::Texts(texts) => {
                for text in texts {
                    stack.overwrite(&record_of(USER), *text).await;
                }
            }
            Damage::Deleted => {
                let delete = stack.clients.s3.delete_object().bucket(USER_KEYS);
                delete.key(record_of(USER)).send().await.unwrap();
            }
        }
        let process = stack.process();
        process.shred(USER).await;
        assert_eq!(
            stack.record_versions(&record_of(USER)).await.len(),
            1,
            "{case}"
        );
        let tombstone = stack.record(&record_of(USER)).await;
        assert_eq!(tombstone["shredded_up_to"], 2, "{case}");
        for value in &made.values {
            let answer = process.decrypt(USER, value).await;
            answer.is_problem(case, 422, "integrity-failure");
        }
        process.shred(USER).await;
        process.digest(USER, "datum").await;
        assert_eq!(process.version_numbers(USER).await, [3], "{case}");
    }
}

#[tokio::test]
async fn without_a_readable_version_shredding_leaves_the_last_one() {
    let stack = Stack::start().await;
    stack.overwrite(&record_of(USER), "x").await;
    stack.overwrite(&record_of(USER), "y").await;
    let path = format!("/users/{USER}");
    for _ in 0..2 {
        let answer = stack.process().send(Method::DELETE, &path).await;
        answer.is_problem("no version", 422, "integrity-failure");
        assert_eq!(stack.record_versions(&record_of(USER)).await.len(), 1);
        assert_eq!(stack.record_text(&record_of(USER)).await, b"x");
    }
}
