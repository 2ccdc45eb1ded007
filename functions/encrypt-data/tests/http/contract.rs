//! What the routes answer when all is well.

use std::collections::BTreeSet;

use caas_testing::{API_KEY, OTHER_API_KEY, post_json, request, with};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{OTHER_USER, Options, Stack, USER};

const AES: &str = "aes-256-gcm";

#[tokio::test]
async fn the_seeds_request_is_answered_as_the_seed_says() {
    let stack = Stack::start().await;
    let body = format!(
        r#"{{
            "apiKey": "{API_KEY}",
            "userUUID": "{USER}",
            "sensitiveData": "123-45-6789"
        }}"#
    );
    let answer = stack.process().call(post_json("/encrypt", body)).await;
    let digest = answer.ok()["encrypted_data"].as_str().unwrap().to_owned();
    assert_eq!(answer.text(), format!(r#"{{"encrypted_data":"{digest}"}}"#));
    let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    assert!(digest.len() >= 32 && digest.bytes().all(is_hex));
    for (name, value) in [
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(answer.header(name), value);
    }
    assert!(!answer.header("x-request-id").is_empty());
}

#[tokio::test]
async fn digests_depend_on_client_user_datum_and_version_and_on_nothing_else() {
    let stack = Stack::start().await;
    let options = || Options {
        ciphers: Some("sha256"),
        ..Options::default()
    };
    let process = options().process(&stack);
    let digest = process.digest(USER, "datum").await;
    assert_eq!(process.digest(USER, "datum").await, digest);
    assert_eq!(process.digest(&USER.to_uppercase(), "datum").await, digest);
    assert_eq!(stack.record_versions("acme/").await.len(), 1);

    // Another pool has no bearing on a key that exists.
    let stack = stack.restart().await;
    let restarted = stack.process();
    assert_eq!(restarted.digest(USER, "datum").await, digest);

    let process = options().process(&stack);
    let mut digests = BTreeSet::from([digest]);
    assert!(digests.insert(process.digest(OTHER_USER, "datum").await));
    for datum in ["Datum", "datum ", "", "\u{0}", "dátum", "da\u{301}tum"] {
        let digest = process.digest(USER, datum).await;
        assert!(digests.insert(digest), "{datum:?}");
    }
    let body = json!({"userUUID": USER, "sensitiveData": "datum"}).to_string();
    let bearer = format!("Bearer {OTHER_API_KEY}");
    let of_other_client = with(post_json("/encrypt", body), "authorization", &bearer);
    let answer = process.call(of_other_client).await.ok();
    assert!(digests.insert(answer["encrypted_data"].as_str().unwrap().to_owned()));
    assert_eq!(process.rotate(USER).await, 2);
    assert!(digests.insert(process.digest(USER, "datum").await));
}

#[tokio::test]
async fn every_digest_length_of_the_pool_is_seen() {
    let stack = Stack::start().await;
    for (number, (cipher, len)) in (0..).zip([
        ("blake2b-512", 128),
        ("blake2s-256", 64),
        ("blake3", 64),
        ("md5", 32),
        ("ripemd160", 40),
        ("sha1", 40),
        ("sha224", 56),
        ("sha256", 64),
        ("sha384", 96),
        ("sha512", 128),
    ]) {
        let process = Options {
            ciphers: Some(cipher),
            ..Options::default()
        };
        let process = process.process(&stack);
        let user = format!("00000000-0000-0000-0000-{number:012}");
        let digest = process.digest(&user, "datum").await;
        assert_eq!(digest.len(), len, "{cipher}");
        for process in [&process, &stack.process()] {
            assert!(process.verify(&user, "datum", &digest).await, "{cipher}");
        }
        assert!(!process.verify(&user, "Datum", &digest).await, "{cipher}");
    }

    // The pool as it is by default, through enough users.
    let process = stack.process();
    let mut lengths = BTreeSet::new();
    for user in 0..200 {
        let user = format!("00000000-0000-0000-0001-{user:012}");
        lengths.insert(process.digest(&user, "datum").await.len());
    }
    assert_eq!(lengths, BTreeSet::from([32, 40, 56, 64, 96, 128]));
}

#[tokio::test]
async fn reversible_values_come_back() {
    let stack = Stack::start().await;
    let process = stack.process();
    for datum in [
        "",
        "078-05-1120",
        "ada@example.org",
        "\u{0}\"\\ü🦀",
        &"x".repeat(100_000),
    ] {
        let value = process.seal(USER, datum).await;
        assert!(value.starts_with("caas:v2:"), "{value}");
        assert_ne!(process.seal(USER, datum).await, value);
        let opened = process.decrypt(USER, &value).await;
        assert_eq!(opened.ok(), json!({"sensitive_data": datum}));
        assert!(process.verify(USER, datum, &value).await);
        assert!(!process.verify(USER, "another", &value).await);
        let elsewhere = process.decrypt(OTHER_USER, &value).await;
        elsewhere.is_problem("another user's", 422, "integrity-failure");
        assert!(!process.verify(OTHER_USER, datum, &value).await);
    }
}

#[tokio::test]
async fn a_value_opens_in_its_own_context_only() {
    let stack = Stack::start().await;
    let process = stack.process();
    let encrypt = json!({"sensitiveData": "ada@example.org", "cipher": AES, "context": "email"});
    let encrypted = process.post("/encrypt", USER, encrypt).await.ok();
    let value = &encrypted["encrypted_data"];
    for (context, opens) in [
        (Some("email"), true),
        (Some("notes"), false),
        (Some("Email"), false),
        (Some(""), false),
        (None, false),
    ] {
        let mut fields = json!({"encryptedData": value});
        if let Some(context) = context {
            fields["context"] = context.into();
        }
        let decrypted = process.post("/decrypt", USER, fields.clone()).await;
        match opens {
            true => assert_eq!(decrypted.ok()["sensitive_data"], "ada@example.org"),
            false => decrypted.is_problem("context", 422, "integrity-failure"),
        }
        fields["sensitiveData"] = "ada@example.org".into();
        let verified = process.post("/verify", USER, fields).await.ok();
        assert_eq!(verified["valid"], opens, "{context:?}");
    }

    // Empty and absent are the same; 1,024 bytes are the most; a digest has no context.
    let plain = process.seal(USER, "datum").await;
    let fields = json!({"encryptedData": plain, "context": ""});
    process.post("/decrypt", USER, fields).await.ok();
    let longest = json!({"sensitiveData": "x", "cipher": AES, "context": "c".repeat(1024)});
    process.post("/encrypt", USER, longest).await.ok();
    let digest = process.digest(USER, "datum").await;
    for (path, fields) in [
        (
            "/encrypt",
            json!({"sensitiveData": "x", "context": "email"}),
        ),
        (
            "/encrypt",
            json!({"sensitiveData": "x", "cipher": AES, "context": "c".repeat(1025)}),
        ),
        (
            "/encrypt",
            json!({"sensitiveData": "x", "cipher": AES, "context": "ü".repeat(513)}),
        ),
        (
            "/encrypt",
            json!({"sensitiveData": "x", "cipher": AES, "context": null}),
        ),
        (
            "/decrypt",
            json!({"encryptedData": plain, "context": "c".repeat(1025)}),
        ),
        (
            "/verify",
            json!({"sensitiveData": "datum", "encryptedData": digest, "context": "email"}),
        ),
    ] {
        let refused = process.post(path, USER, fields.clone()).await;
        refused.is_problem(&format!("{path}, {fields}"), 400, "invalid-request");
    }
}

#[tokio::test]
async fn the_retired_format_is_named() {
    let stack = Stack::start().await;
    let process = stack.process();
    let good = process.seal(USER, "datum").await;
    let retired =
        "caas:v1:AAAAAU-H-utebQKWC342az0_yq3SzsAOx9QKm-pKBuXz33xcgKRNaXX2W1rsDCAJW0BjvVBXIF6t8F4";
    for (path, fields) in [
        ("/decrypt", json!({"encryptedData": retired})),
        (
            "/verify",
            json!({"sensitiveData": "datum", "encryptedData": retired}),
        ),
    ] {
        let refused = process.post(path, USER, fields).await;
        refused.is_problem(path, 422, "integrity-failure");
        let document: Value = serde_json::from_slice(&refused.body).unwrap();
        let detail = document["detail"].as_str().unwrap();
        assert!(detail.contains("caas:v1"), "{detail}");
    }
    let fields = json!({"encryptedData": [good, retired]});
    let opened = process.post("/decrypt", USER, fields).await.ok();
    assert_eq!(opened["sensitive_data"], json!(["datum", null]));
}

#[tokio::test]
async fn arrays_keep_their_order() {
    let stack = Stack::start().await;
    let process = stack.process();
    let data: Vec<String> = (0..1000).map(|i| format!("datum {i}")).collect();
    let one_by_one = [
        process.digest(USER, "datum 0").await,
        process.digest(USER, "datum 999").await,
    ];
    let fields = json!({"sensitiveData": data});
    let answer = process.post("/encrypt", USER, fields).await.ok();
    let digests = answer["encrypted_data"].as_array().unwrap().clone();
    assert_eq!(digests.len(), 1000);
    assert_eq!([&digests[0], &digests[999]], one_by_one.each_ref());
    assert_eq!(answer.as_object().unwrap().len(), 1);

    let fields = json!({"sensitiveData": data, "cipher": AES});
    let answer = process.post("/encrypt", USER, fields).await.ok();
    let values = &answer["encrypted_data"];
    let fields = json!({"encrypted_data": values});
    let answer = process.post("/decrypt", USER, fields).await.ok();
    assert_eq!(answer, json!({"sensitive_data": data, "errors": []}));

    let fields = json!({"sensitiveData": ["datum 0", "datum 0", "datum 2"],
        "encryptedData": [digests[0], digests[1], values[2]]});
    let answer = process.post("/verify", USER, fields).await.ok();
    assert_eq!(answer, json!({"valid": [true, false, true]}));

    let before = stack.emulator.calls();
    for (path, fields, expected) in [
        (
            "/encrypt",
            json!({"sensitiveData": []}),
            json!({"encrypted_data": []}),
        ),
        (
            "/decrypt",
            json!({"encryptedData": []}),
            json!({"sensitive_data": [], "errors": []}),
        ),
        (
            "/verify",
            json!({"sensitiveData": [], "encryptedData": []}),
            json!({"valid": []}),
        ),
    ] {
        let answer = process.post(path, OTHER_USER, fields).await;
        assert_eq!(answer.ok(), expected, "{path}");
    }
    assert_eq!(stack.requests_since(&before), (0, 0));
}

#[tokio::test]
async fn one_bad_value_leaves_the_others_alone() {
    let stack = Stack::start().await;
    let process = stack.process();
    let good = process.seal(USER, "good").await;
    let of_other_user = process.seal(OTHER_USER, "other").await;
    let digest = process.digest(USER, "good").await;
    let values = json!([
        good,
        of_other_user,
        digest,
        "",
        "caas:v2:",
        &good[..good.len() - 1],
        good
    ]);
    let fields = json!({"encryptedData": values});
    let answer = process.post("/decrypt", USER, fields).await.ok();
    let failed = |index: u32| json!({"index": index, "type": "/problems/integrity-failure"});
    let expected = json!({
        "sensitive_data": ["good", null, null, null, null, null, "good"],
        "errors": [failed(1), {"index": 2, "type": "/problems/not-reversible"}, failed(3), failed(4),
            failed(5)],
    });
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn every_change_of_a_value_is_refused() {
    let stack = Stack::start().await;
    let process = stack.process();
    let value = process.seal(USER, "datum").await;
    let changed = value.char_indices().map(|(position, character)| {
        let other = if character == 'A' { "B" } else { "A" };
        format!("{}{other}{}", &value[..position], &value[position + 1..])
    });
    let changed: Vec<_> = changed.collect();
    let fields = json!({"encryptedData": changed});
    let answer = process.post("/decrypt", USER, fields).await.ok();
    let nothing = vec![Value::Null; changed.len()];
    assert_eq!(answer["sensitive_data"], Value::Array(nothing));
    let data = vec!["datum"; changed.len()];
    let fields = json!({"sensitiveData": data, "encryptedData": changed});
    let answer = process.post("/verify", USER, fields).await.ok();
    assert_eq!(answer["valid"], json!(vec![false; changed.len()]));
}

#[tokio::test]
async fn rotation_keeps_what_there_was() {
    let stack = Stack::start().await;
    let process = stack.process();
    let path = format!("/users/{USER}");
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/rotate")),
    ] {
        let answer = process.send(method.clone(), &path).await;
        answer.is_problem(method.as_str(), 404, "not-found");
    }
    let made = stack.record_versions("").await;
    assert!(made.is_empty(), "a look made a record");

    let mut made = Vec::new();
    for version in 1..=5 {
        made.push((
            process.digest(USER, "datum").await,
            process.seal(USER, "datum").await,
        ));
        assert_eq!(process.rotate(USER).await, version + 1);
    }
    for process in [process, stack.process()] {
        for (digest, value) in &made {
            assert!(process.verify(USER, "datum", digest).await);
            assert!(!process.verify(USER, "Datum", digest).await);
            assert!(process.verify(USER, "datum", value).await);
            let opened = process.decrypt(USER, value).await.ok();
            assert_eq!(opened["sensitive_data"], "datum");
        }
        let answer = process.send(Method::GET, &path).await.ok();
        assert_eq!(answer.as_object().unwrap().len(), 1);
        let versions = answer["versions"].as_array().unwrap();
        assert_eq!(versions.len(), 6);
        for (number, version) in (1..).zip(versions) {
            assert_eq!(version["version"], number);
            let created_at = version["created_at"].as_str().unwrap();
            let is_utc = created_at.starts_with("20") && created_at.ends_with('Z');
            assert!(is_utc, "{created_at}");
            assert_eq!(version.as_object().unwrap().len(), 2);
        }
    }

    // Another client sees none of it.
    let of_other_client = request(Method::GET, OTHER_API_KEY, &path);
    let answer = stack.process().call(of_other_client).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}
