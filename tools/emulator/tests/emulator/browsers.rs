//! Requests from pages of other origins, by the bucket's CORS rules.

use std::time::Duration;

use aws_sdk_s3::{
    presigning::PresigningConfig,
    types::{CorsConfiguration, CorsRule},
};
use caas_emulator::{BucketConfig, Config, Emulator};
use reqwest::{Client, Method, Response, StatusCode};

use crate::{BUCKET, UNVERSIONED, clients::s3_of, start};

const PAGE: &str = "http://127.0.0.1:9000";

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_page_puts_what_the_rules_allow() {
    let (emulator, _folder) = start().await;
    let s3 = s3_of(&emulator);
    let rule = CorsRule::builder()
        .allowed_origins(PAGE)
        .allowed_methods("PUT");
    let rule = rule
        .allowed_headers("If-None-Match")
        .allowed_headers("x-amz-meta-*");
    let rule = rule
        .expose_headers("ETag")
        .max_age_seconds(60)
        .build()
        .unwrap();
    let cors = CorsConfiguration::builder()
        .cors_rules(rule)
        .build()
        .unwrap();
    let request = s3.put_bucket_cors().bucket(BUCKET).cors_configuration(cors);
    request.send().await.unwrap();
    let url = emulator.s3_url();
    let preflight = |bucket: &str, origin: &str, method: &str, headers: &str| {
        let request = Client::new().request(Method::OPTIONS, format!("{url}/{bucket}/k"));
        let request = request.header("origin", origin);
        let request = request.header("access-control-request-method", method);
        request
            .header("access-control-request-headers", headers)
            .send()
    };
    let allowed = preflight(BUCKET, PAGE, "PUT", "if-none-match, x-amz-meta-a")
        .await
        .unwrap();
    assert_eq!(allowed.status(), StatusCode::OK);
    assert_eq!(header(&allowed, "access-control-allow-origin"), Some(PAGE));
    assert_eq!(
        header(&allowed, "access-control-allow-methods"),
        Some("PUT")
    );
    let headers = Some("if-none-match, x-amz-meta-a");
    assert_eq!(header(&allowed, "access-control-allow-headers"), headers);
    assert_eq!(header(&allowed, "access-control-max-age"), Some("60"));
    for (bucket, origin, method, headers) in [
        (BUCKET, "http://other", "PUT", ""),
        (BUCKET, PAGE, "DELETE", ""),
        (BUCKET, PAGE, "PUT", "x-other"),
        (UNVERSIONED, PAGE, "PUT", ""),
        ("absent", PAGE, "PUT", ""),
    ] {
        let refused = preflight(bucket, origin, method, headers).await.unwrap();
        assert_eq!(
            refused.status(),
            StatusCode::FORBIDDEN,
            "{bucket} {origin} {method} {headers}"
        );
        assert_eq!(header(&refused, "access-control-allow-origin"), None);
    }

    let presigning = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let put = s3
        .put_object()
        .bucket(BUCKET)
        .key("k")
        .presigned(presigning)
        .await
        .unwrap();
    let put = Client::new()
        .put(put.uri())
        .header("origin", PAGE)
        .body("hello");
    let put = put.send().await.unwrap();
    assert_eq!(put.status(), StatusCode::OK);
    assert_eq!(header(&put, "access-control-allow-origin"), Some(PAGE));
    assert_eq!(header(&put, "access-control-expose-headers"), Some("ETag"));
    // A preflight is not a signature.
    let unsigned = Client::new()
        .put(format!("{url}/{BUCKET}/k"))
        .header("origin", PAGE)
        .send();
    assert_eq!(unsigned.await.unwrap().status(), StatusCode::FORBIDDEN);
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_bucket_is_configured_for_pages_at_every_start() {
    let folder = tempfile::tempdir().unwrap();
    let with = |origins: Option<&[&str]>| {
        let mut config = Config::new(folder.path());
        let mut bucket = BucketConfig::versioned(BUCKET);
        bucket.allowed_origins = origins.map(|origins| {
            let origins = origins.iter();
            origins.map(|&origin| origin.to_owned()).collect()
        });
        config.buckets.push(bucket);
        config
    };
    let both = [PAGE, "https://app.example"];
    for (origins, allowed) in [
        (None, &[][..]),
        (Some(&both[..]), &both),
        (None, &both),
        (Some(&both[1..]), &both[1..]),
        (Some(&[]), &[]),
    ] {
        let emulator = Emulator::start(with(origins)).await.unwrap();
        for origin in [PAGE, "https://app.example", "https://other.example"] {
            for method in ["GET", "PUT", "DELETE"] {
                let url = format!("{}/{BUCKET}/k", emulator.s3_url());
                let answer = Client::new()
                    .request(Method::OPTIONS, url)
                    .header("origin", origin)
                    .header("access-control-request-method", method)
                    .header(
                        "access-control-request-headers",
                        "if-none-match,x-amz-meta-a",
                    )
                    .send();
                let expected = allowed.contains(&origin) && method != "DELETE";
                let status = answer.await.unwrap().status();
                assert_eq!(
                    status.is_success(),
                    expected,
                    "{origins:?} {origin} {method}"
                );
            }
        }
        emulator.shutdown().await;
    }
}
