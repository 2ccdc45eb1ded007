//! Presigned requests are checked in full.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use caas_emulator::Emulator;
use reqwest::{Client, RequestBuilder, StatusCode};

use crate::{bucket_of, start};

fn for_a_minute() -> PresigningConfig {
    PresigningConfig::expires_in(Duration::from_secs(60)).unwrap()
}

fn expired() -> PresigningConfig {
    let config = PresigningConfig::builder().expires_in(Duration::from_secs(60));
    config
        .start_time(SystemTime::now() - Duration::from_secs(61))
        .build()
        .unwrap()
}

/// A PUT that creates an object of exactly five bytes, with a content type and metadata.
async fn presigned_put(emulator: &Emulator, config: PresigningConfig) -> PresignedRequest {
    let put = bucket_of(emulator).put("a b/ü", "").if_none_match("*");
    let put = put.content_length(5).content_type("text/plain");
    put.metadata("m", "1").presigned(config).await.unwrap()
}

/// The request as presigned, without the header `omit`.
fn request(presigned: &PresignedRequest, url: &str, omit: &str) -> RequestBuilder {
    let request = Client::new().put(url);
    presigned
        .headers()
        .filter(|(name, _)| *name != omit)
        .fold(request, |request, (name, value)| {
            // reqwest takes the length from the body.
            if name == "content-length" {
                request
            } else {
                request.header(name, value)
            }
        })
}

#[tokio::test]
async fn a_put_that_keeps_to_it_succeeds_once() {
    let (emulator, _folder) = start().await;
    let presigned = presigned_put(&emulator, for_a_minute()).await;
    let put = || {
        request(&presigned, presigned.uri(), "")
            .body("hello")
            .send()
    };
    assert_eq!(put().await.unwrap().status(), StatusCode::OK);
    assert_eq!(
        put().await.unwrap().status(),
        StatusCode::PRECONDITION_FAILED
    );
    let head = bucket_of(&emulator).head("a b/ü").send().await.unwrap();
    assert_eq!(
        (head.content_length(), head.content_type()),
        (Some(5), Some("text/plain"))
    );
    assert_eq!(head.metadata().unwrap()["m"], "1");
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_put_that_deviates_is_refused() {
    let (emulator, _folder) = start().await;
    let presigned = presigned_put(&emulator, for_a_minute()).await;
    let late = presigned_put(&emulator, expired()).await;
    let uri = presigned.uri();
    let other_key = uri.replace("/a%20b/", "/a%20c/");
    assert_ne!(other_key, uri);
    let other_expiry = uri.replace("X-Amz-Expires=60", "X-Amz-Expires=600");
    assert_ne!(other_expiry, uri);
    let exact = |url: &str| request(&presigned, url, "").body("hello");
    let deviations = [
        ("longer body", request(&presigned, uri, "").body("hello!")),
        ("shorter body", request(&presigned, uri, "").body("hell")),
        (
            "no condition",
            request(&presigned, uri, "if-none-match").body("hello"),
        ),
        (
            "no metadata",
            request(&presigned, uri, "x-amz-meta-m").body("hello"),
        ),
        (
            "no content type",
            request(&presigned, uri, "content-type").body("hello"),
        ),
        ("other metadata", {
            request(&presigned, uri, "x-amz-meta-m")
                .header("x-amz-meta-m", "2")
                .body("hello")
        }),
        ("more metadata", exact(uri).header("x-amz-meta-n", "2")),
        ("another key", exact(&other_key)),
        ("another expiry", exact(&other_expiry)),
        ("another method", {
            let request = request(&presigned, uri, "").body("hello").build().unwrap();
            let delete = Client::new().delete(uri).headers(request.headers().clone());
            delete.body("hello")
        }),
        ("another query", exact(&format!("{uri}&versionId=null"))),
        ("expired", request(&late, late.uri(), "").body("hello")),
        ("no signature", exact(uri.split('?').next().unwrap())),
    ];
    for (name, request) in deviations {
        assert_eq!(
            request.send().await.unwrap().status(),
            StatusCode::FORBIDDEN,
            "{name}"
        );
    }
    let listed = bucket_of(&emulator).list().send().await.unwrap();
    assert!(listed.contents().is_empty());
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_get_is_for_one_version_and_a_time() {
    let (emulator, _folder) = start().await;
    let bucket = bucket_of(&emulator);
    let first = bucket.write("k", "first").await.1.unwrap();
    let second = bucket.write("k", "second").await.1.unwrap();
    let presign = |config| bucket.get("k").version_id(&first).presigned(config);
    let uri = presign(for_a_minute()).await.unwrap().uri().to_owned();
    let got = Client::new()
        .get(&uri)
        .header("range", "bytes=1-3")
        .send()
        .await
        .unwrap();
    assert_eq!(got.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(got.text().await.unwrap(), "irs");
    let late = presign(expired()).await.unwrap().uri().to_owned();
    for refused in [uri.replace(&first, &second), late] {
        let got = reqwest::get(refused).await.unwrap();
        assert_eq!(got.status(), StatusCode::FORBIDDEN);
    }
    emulator.shutdown().await;
}
