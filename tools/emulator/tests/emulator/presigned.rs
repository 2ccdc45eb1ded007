//! Presigned requests are checked in full.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use caas_emulator::Emulator;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, RequestBuilder, StatusCode};
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, macros::format_description};

use crate::{BUCKET, bucket_of, start};

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
async fn a_part_that_keeps_to_it_is_stored_until_the_upload_ends() {
    let (emulator, _folder) = start().await;
    let bucket = bucket_of(&emulator);
    let id = bucket.begin("k").send().await.unwrap().upload_id.unwrap();
    // MD5 of `hello`, as computed by Python's hashlib.
    let part = bucket.part("k").upload_id(&id).part_number(2);
    let part = part
        .content_length(5)
        .content_md5("XUFAKrxLKna5cZ2REBfFkg==");
    let presigned = part.presigned(for_a_minute()).await.unwrap();
    let uri = presigned.uri();
    for (name, request, status) in [
        ("longer", request(&presigned, uri, "").body("hello!"), 403),
        ("shorter", request(&presigned, uri, "").body("hell"), 403),
        (
            "other bytes",
            request(&presigned, uri, "").body("jello"),
            400,
        ),
        (
            "no MD5",
            request(&presigned, uri, "content-md5").body("hello"),
            403,
        ),
        (
            "another number",
            request(&presigned, &uri.replace("partNumber=2", "partNumber=3"), "").body("hello"),
            403,
        ),
        ("as signed", request(&presigned, uri, "").body("hello"), 200),
        ("again", request(&presigned, uri, "").body("hello"), 200),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{name}");
        if status == 200 {
            let e_tag = "\"5d41402abc4b2a76b9719d911017c592\"";
            assert_eq!(response.headers()["etag"], e_tag, "{name}");
        }
    }
    let listed = bucket.parts("k").upload_id(&id).send().await.unwrap();
    let [part] = listed.parts() else {
        panic!("{listed:?}")
    };
    assert_eq!((part.part_number(), part.size()), (Some(2), Some(5)));
    let abort = bucket.abort("k").upload_id(&id).send().await;
    abort.unwrap();
    let late = request(&presigned, uri, "").body("hello").send().await;
    assert_eq!(late.unwrap().status(), StatusCode::NOT_FOUND);
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

/// A presigned URL of `k` with these parameters, which our SDK would put into headers.
fn presign(emulator: &Emulator, method: &str, parameters: &[&str]) -> String {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let date = OffsetDateTime::now_utc().format(format).unwrap();
    let scope = format!("{}/us-east-1/s3/aws4_request", &date[..8]);
    let id = emulator.access_key_id();
    let credential = format!("{id}/{scope}").replace('/', "%2F");
    let mut query = vec![
        "X-Amz-Algorithm=AWS4-HMAC-SHA256".to_owned(),
        format!("X-Amz-Credential={credential}"),
        format!("X-Amz-Date={date}"),
        "X-Amz-Expires=60".to_owned(),
        "X-Amz-SignedHeaders=host".to_owned(),
    ];
    query.extend(parameters.iter().map(|&parameter| parameter.to_owned()));
    query.sort_unstable();
    let (path, query) = (format!("/{BUCKET}/k"), query.join("&"));
    let host = emulator.s3_addr();
    let request = format!("{method}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD");
    let hash = hex::encode(Sha256::digest(request));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hash}");
    let mac = |key: &[u8], message: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(message.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let secret = format!("AWS4{}", emulator.secret_access_key()).into_bytes();
    let key = scope.split('/').fold(secret, |key, part| mac(&key, part));
    let signature = hex::encode(mac(&key, &to_sign));
    format!("http://{host}{path}?{query}&X-Amz-Signature={signature}")
}

#[tokio::test]
async fn headers_in_the_query_count() {
    let (emulator, _folder) = start().await;
    let bucket = bucket_of(&emulator);
    let put = async |parameters: &[&str]| {
        let url = presign(&emulator, "PUT", parameters);
        let put = Client::new().put(url).body("hello").send();
        put.await.unwrap().status()
    };
    let with = [
        "x-amz-meta-m=a%20b",
        "x-amz-tagging=t%3D1",
        "x-amz-checksum-crc32=AAAAAA%3D%3D",
    ];
    assert_eq!(put(&with).await, StatusCode::OK);
    let got = bucket.get("k").send().await.unwrap();
    assert_eq!(got.metadata().unwrap()["m"], "a b");
    assert_eq!(got.tag_count(), Some(1));
    let kms = "x-amz-server-side-encryption=aws%3Akms";
    assert_eq!(put(&[kms]).await, StatusCode::NOT_IMPLEMENTED);
    for condition in ["if-none-match=%2A", "If-Match=%22etag%22"] {
        assert_eq!(put(&[condition]).await, StatusCode::NOT_IMPLEMENTED);
    }
    let url = presign(&emulator, "PUT", &["x-amz-meta-m=1"]);
    let other = Client::new().put(url).header("x-amz-meta-m", "2");
    let other = other.body("hello").send().await.unwrap();
    assert_eq!(other.status(), StatusCode::BAD_REQUEST);
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_failed_condition_is_named() {
    let (emulator, _folder) = start().await;
    let bucket = bucket_of(&emulator);
    bucket.write("k", "v").await;
    let url = presign(&emulator, "PUT", &[]);
    for (name, value) in [("If-None-Match", "*"), ("If-Match", "\"other\"")] {
        let put = Client::new().put(&url).header(name, value).body("new");
        let put = put.send().await.unwrap();
        assert_eq!(put.status(), StatusCode::PRECONDITION_FAILED);
        let text = put.text().await.unwrap();
        let named = format!("<Condition>{name}</Condition>");
        assert!(text.contains(&named), "{text}");
    }
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_head_of_a_part_or_a_range_is_partial() {
    let (emulator, _folder) = start().await;
    let bucket = bucket_of(&emulator);
    bucket.write("k", "hello").await;
    for (parameters, range, status, length) in [
        (&[][..], "", StatusCode::OK, "5"),
        (&["partNumber=1"], "", StatusCode::PARTIAL_CONTENT, "5"),
        (&[], "bytes=1-2", StatusCode::PARTIAL_CONTENT, "2"),
    ] {
        let url = presign(&emulator, "HEAD", parameters);
        let mut head = Client::new().head(url);
        if !range.is_empty() {
            head = head.header("range", range);
        }
        let head = head.send().await.unwrap();
        assert_eq!(head.status(), status, "{parameters:?} {range}");
        assert_eq!(head.headers()["content-length"], length);
    }
    emulator.shutdown().await;
}
