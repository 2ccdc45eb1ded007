//! Records that are not what they should be.

use base64::{Engine, prelude::BASE64_STANDARD};
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
            "the retired format",
            json!({"format": "caas-user-key:v1", "client": "acme", "user": USER, "versions": []})
                .to_string(),
        ),
        (
            "a forged tombstone",
            format!(
                "{},\"shredded_up_to\":4294967295}}",
                &text[..text.find(",\"body\"").unwrap()]
            ),
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

/// The record is sealed as a whole: its versions cannot be dropped, exchanged or composed.
#[tokio::test]
async fn an_edited_or_composed_record_opens_nothing() {
    let stack = Stack::start().await;
    let made = user_with_two_versions(&stack).await;
    let text = String::from_utf8(stack.record_text(&record_of(USER)).await).unwrap();
    let latest = stack.record(&record_of(USER)).await;
    let first = stack.record_versions(&record_of(USER)).await[1].clone();
    let get = stack.clients.s3.get_object().bucket(USER_KEYS);
    let get = get.key(record_of(USER)).version_id(first).send().await;
    let first = get.unwrap().body.collect().await.unwrap().to_vec();
    let first: Value = serde_json::from_slice(&first).unwrap();
    let field = |record: &Value, name: &str| record[name].as_str().unwrap().to_owned();
    let (body, key) = (field(&latest, "body"), field(&latest, "wrapped_key"));
    let bytes = BASE64_STANDARD.decode(&body).unwrap();
    let flipped = |position: usize| {
        let mut bytes = bytes.clone();
        bytes[position] ^= 1;
        text.replace(&body, &BASE64_STANDARD.encode(bytes))
    };
    for (case, damaged) in [
        ("an older body", text.replace(&body, &field(&first, "body"))),
        (
            "an older key",
            text.replace(&key, &field(&first, "wrapped_key")),
        ),
        ("no key of KMS", text.replace(&key, "AAAA")),
        ("an empty body", text.replace(&body, "")),
        (
            "a version less",
            text.replace(&body, &BASE64_STANDARD.encode(&bytes[..bytes.len() - 54])),
        ),
        ("a nonce changed", flipped(0)),
        ("the highest number changed", flipped(24)),
        ("a secret changed", flipped(24 + 4 + 12)),
        ("the tag changed", flipped(bytes.len() - 1)),
    ] {
        assert_ne!(damaged, text, "{case}");
        stack.overwrite(&record_of(USER), damaged).await;
        check_nothing_works(&stack, &made, case).await;
    }
    stack.overwrite(&record_of(USER), text).await;
    check_all_works(&stack.process(), &made).await;
}

/// However many values ask for it.
#[tokio::test]
async fn a_record_that_does_not_open_is_asked_for_once_a_request() {
    let stack = Stack::start().await;
    let made = user_with_two_versions(&stack).await;
    let text = String::from_utf8(stack.record_text(&record_of(USER)).await).unwrap();
    let edited = text.replace("\"body\":\"", "\"body\":\"AAAA");
    stack.overwrite(&record_of(USER), edited).await;

    let before = stack.emulator.calls();
    let values = vec![made.values[1].clone(); 100];
    let fields = json!({"encryptedData": values});
    let response = stack.process().post("/decrypt", USER, fields).await;
    assert_eq!(response.ok()["errors"].as_array().unwrap().len(), 100);
    assert_eq!(stack.requests_since(&before), (1, 1));
}

/// A tombstone is what KMS unwraps under its user and number.
#[tokio::test]
async fn a_forged_tombstone_is_no_tombstone() {
    let stack = Stack::start().await;
    let made = user_with_two_versions(&stack).await;
    let text = String::from_utf8(stack.record_text(&record_of(USER)).await).unwrap();
    stack.process().digest(OTHER_USER, "datum").await;
    stack.process().shred(OTHER_USER).await;
    let tombstone = String::from_utf8(stack.record_text(&record_of(OTHER_USER)).await).unwrap();
    for forged in [
        tombstone.replace(OTHER_USER, USER),
        tombstone
            .replace(OTHER_USER, USER)
            .replace("_to\":1", "_to\":4294967295"),
    ] {
        assert_ne!(forged, tombstone);
        stack.overwrite(&record_of(USER), forged).await;
        check_nothing_works(&stack, &made, "forged").await;
    }
    stack.overwrite(&record_of(USER), text).await;
    check_all_works(&stack.process(), &made).await;
    // Nor does an own one count further than it did.
    stack.process().shred(USER).await;
    let tombstone = String::from_utf8(stack.record_text(&record_of(USER)).await).unwrap();
    let further = tombstone.replace("_to\":2", "_to\":3");
    assert_ne!(further, tombstone);
    stack.overwrite(&record_of(USER), further).await;
    check_nothing_works(&stack, &made, "counted further").await;
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
    let edited = text.replace("\"body\":\"", "\"body\":\"AAAA");
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
