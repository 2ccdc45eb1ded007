//! A bucket's CORS configuration. Its effect on browsers is tested elsewhere.

use aws_sdk_s3::types::{CorsConfiguration, CorsRule};

use crate::{Aws, requests::assert_refused};

crate::behaviours! {
    a_configuration_is_kept,
    there_is_none_at_first,
    an_unknown_method_is_refused,
}

fn configuration(method: &str) -> CorsConfiguration {
    let rule = CorsRule::builder()
        .allowed_origins("http://*.example")
        .allowed_methods(method);
    let rule = rule
        .allowed_headers("*")
        .expose_headers("ETag")
        .max_age_seconds(60);
    CorsConfiguration::builder()
        .cors_rules(rule.build().unwrap())
        .build()
        .unwrap()
}

async fn a_configuration_is_kept(aws: Aws) {
    let bucket = aws.bucket().await;
    let put = aws.s3.put_bucket_cors().bucket(&bucket.name);
    put.cors_configuration(configuration("PUT"))
        .send()
        .await
        .unwrap();
    let got = aws
        .s3
        .get_bucket_cors()
        .bucket(&bucket.name)
        .send()
        .await
        .unwrap();
    assert_eq!(got.cors_rules(), configuration("PUT").cors_rules());
    let request = aws.s3.delete_bucket_cors().bucket(&bucket.name);
    request.send().await.unwrap();
    let got = aws.s3.get_bucket_cors().bucket(&bucket.name).send().await;
    assert_refused(got, 404, "NoSuchCORSConfiguration");
}

async fn there_is_none_at_first(aws: Aws) {
    let bucket = aws.bucket().await;
    let got = aws.s3.get_bucket_cors().bucket(&bucket.name).send().await;
    assert_refused(got, 404, "NoSuchCORSConfiguration");
}

async fn an_unknown_method_is_refused(aws: Aws) {
    let bucket = aws.bucket().await;
    let put = aws.s3.put_bucket_cors().bucket(&bucket.name);
    let put = put.cors_configuration(configuration("PATCH")).send().await;
    assert_refused(put, 400, "InvalidRequest");
}
