//! `caas value`.

use crate::service::Service;

const USER: &str = "123e4567-e89b-12d3-a456-426614174000";
const OTHER: &str = "223e4567-e89b-12d3-a456-426614174000";

fn arguments<'a>(command: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["value", command, "--user", USER];
    arguments.extend(rest);
    arguments
}

#[tokio::test]
async fn what_is_encrypted_opens_again_line_by_line() {
    let service = Service::start().await;
    let data = "078-05-1120\n\nmüller \"quoted\"\t\\\n078-05-1120\n";
    let encrypt = arguments("encrypt", &["--context", "ssn"]);
    let values = service.caas(&encrypt, data).await.succeeded();
    assert_eq!(values.lines().count(), 4);
    assert!(
        values.lines().all(|value| value.starts_with("caas:v2:")),
        "{values}"
    );

    let decrypt = arguments("decrypt", &["--context", "ssn"]);
    assert_eq!(service.caas(&decrypt, &values).await.succeeded(), data);
    let lines: Vec<_> = values.lines().collect();
    let two = arguments("decrypt", &["--context", "ssn", lines[2], lines[0]]);
    let expected = "müller \"quoted\"\t\\\n078-05-1120\n";
    assert_eq!(service.caas(&two, "").await.succeeded(), expected);

    let data_file = service
        .program
        .file("data.txt", &data.replace('\n', "\r\n"));
    let values_file = service.program.file("values.txt", &values);
    let (data_file, values_file) = (data_file.to_str().unwrap(), values_file.to_str().unwrap());
    let verify = [
        "--context",
        "ssn",
        "--file",
        data_file,
        "--encrypted",
        values_file,
    ];
    let verified = service.caas(&arguments("verify", &verify), "").await;
    assert_eq!(verified.succeeded(), "valid\nvalid\nvalid\nvalid\n");
}

#[tokio::test]
async fn digests_are_computed_and_compared() {
    let service = Service::start().await;
    let digests = service
        .caas(&arguments("digest", &[]), "a\nb\na\n")
        .await
        .succeeded();
    let digests: Vec<_> = digests.lines().collect();
    assert_eq!(digests[0], digests[2]);
    assert_ne!(digests[0], digests[1]);
    let verify = arguments("verify", &digests);
    let verified = service.caas(&verify, "a\nnot b\na\n").await;
    assert_eq!(verified.stdout, "valid\ninvalid\nvalid\n");
    assert_eq!(verified.failed(3), "error: 1 of 3 are invalid\n");
}

#[tokio::test]
async fn a_value_that_does_not_open_keeps_its_place() {
    let service = Service::start().await;
    let values = service
        .caas(&arguments("encrypt", &[]), "a\nb\n")
        .await
        .succeeded();
    let (first, second) = values.trim_end().split_once('\n').unwrap();
    let input = format!("{first}\nCANARY\n\n{second}\n");
    let decrypted = service.caas(&arguments("decrypt", &[]), &input).await;
    assert_eq!(decrypted.stdout, "a\n\n\nb\n");
    assert!(!decrypted.stderr.contains("CANARY"));
    let errors = "line 2: does not open\nline 3: does not open\nerror: 2 of 4 values do not open\n";
    assert!(decrypted.failed(3).starts_with(errors));

    let json = service
        .caas(&arguments("decrypt", &["--json"]), &input)
        .await;
    let expected = "{\"line\":1,\"data\":\"a\"}\n{\"line\":2,\"data\":null}\n\
                    {\"line\":3,\"data\":null}\n{\"line\":4,\"data\":\"b\"}\n";
    assert_eq!(json.stdout, expected);
    assert_eq!(json.code, Some(3));

    for rest in [
        &["--context", "other", first][..],
        &["--user", OTHER, first],
    ] {
        let arguments = match rest[0] {
            "--user" => [&["value", "decrypt"], rest].concat(),
            _ => arguments("decrypt", rest),
        };
        assert_eq!(service.caas(&arguments, "").await.code, Some(3), "{rest:?}");
    }
}

#[tokio::test]
async fn many_and_large_data_go_in_several_requests() {
    let service = Service::start().await;
    let mut data: String = (0..2500)
        .map(|number| format!("datum {number}\n"))
        .collect();
    for _ in 0..3 {
        data.push_str(&"x".repeat(300_000));
        data.push('\n');
    }
    let values = service
        .caas(&arguments("encrypt", &[]), &data)
        .await
        .succeeded();
    // 1,000, 1,000, 500 and two large ones, and another large one.
    assert_eq!(service.proxy.requests(), 4);
    let decrypted = service.caas(&arguments("decrypt", &[]), &values).await;
    assert!(decrypted.succeeded() == data);
    let values = service.program.file("values", &values);
    let verify = arguments("verify", &["--encrypted", values.to_str().unwrap()]);
    let valid = service.caas(&verify, &data).await.succeeded();
    assert!(valid == "valid\n".repeat(2503));
}

#[tokio::test]
async fn what_cannot_be_one_line_is_refused() {
    let service = Service::start().await;
    let too_large = "x".repeat(999_000);
    let refused = service.caas(&arguments("encrypt", &[]), &too_large).await;
    assert!(refused.failed(1).starts_with("error: line 1: Too large: "));

    // Another program may have encrypted a datum of two lines.
    let request = serde_json::json!({
        "userUUID": USER, "sensitiveData": "two\nlines", "cipher": "aes-256-gcm",
    });
    let client = caas_client::Client::new(&service.proxy.url(), caas_testing::API_KEY).unwrap();
    let body = Some(("application/json", request.to_string().into_bytes()));
    let response = client
        .request(http::Method::POST, "/encrypt", body)
        .await
        .unwrap();
    let response: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    let value = response["encrypted_data"].as_str().unwrap();
    let decrypted = service.caas(&arguments("decrypt", &[value]), "").await;
    assert_eq!(decrypted.stdout, "");
    let error = "error: line 1: the datum has a line break\nprint the data as JSON, with --json\n";
    assert_eq!(decrypted.failed(1), error);
    let json = service
        .caas(&arguments("decrypt", &["--json", value]), "")
        .await;
    assert_eq!(json.succeeded(), "{\"line\":1,\"data\":\"two\\nlines\"}\n");

    let values = service.program.file("values", "a\nb\n");
    let verify = arguments("verify", &["--encrypted", values.to_str().unwrap()]);
    for (data, error) in [
        ("a\n", "error: line 2: no datum for this value\n"),
        ("a\nb\nc\n", "error: line 3: no value for this datum\n"),
    ] {
        assert_eq!(service.caas(&verify, data).await.failed(2), error);
    }
    let both = arguments("verify", &["--encrypted", "-"]);
    assert!(
        service
            .caas(&both, "")
            .await
            .failed(2)
            .contains("standard input")
    );
}
