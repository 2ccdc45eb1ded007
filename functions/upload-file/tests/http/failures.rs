//! S3 or KMS fail: 503 with `Retry-After`, nothing half-done, and the next request works.

use std::time::Duration;

use caas_emulator::Fault;
use http::{Method, StatusCode};

use crate::support::{ACME, App, VAULT, begin_upload, bytes, get, request, upload, with};

const TOO_LONG: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn s3_or_kms_does_not_serve() {
    let app = App::with_timeout(Duration::from_secs(3)).await;
    let id = app.upload("there", b"content").await;
    let kms_disabled = Fault::Answer {
        status: StatusCode::BAD_REQUEST,
        content_type: "application/x-amz-json-1.1",
        body: r#"{"__type":"DisabledException","message":"SDK-TEXT"}"#,
    };
    let s3_denied = Fault::Answer {
        status: StatusCode::FORBIDDEN,
        content_type: "application/xml",
        body: "<Error><Code>AccessDenied</Code><Message>SDK-TEXT</Message></Error>",
    };
    let cases = [
        (true, kms_disabled),
        (true, Fault::kms_throttled()),
        (true, Fault::kms_internal()),
        (true, Fault::DelayRequest(TOO_LONG)),
        (true, Fault::CutRequest(0)),
        (false, s3_denied),
        (false, Fault::slow_down()),
        (false, Fault::internal_error()),
        (false, Fault::DelayRequest(TOO_LONG)),
        (false, Fault::CutRequest(10)),
    ];
    for (at_kms, fault) in cases {
        let case = format!("{fault:?}");
        let proxy = if at_kms {
            &app.kms_proxy
        } else {
            &app.s3_proxy
        };
        proxy.set_rule(move |request| {
            let bodiless = matches!(request.method, "GET" | "HEAD" | "DELETE");
            match fault {
                // A request without a body would pass a cut in it.
                Fault::CutRequest(_) if bodiless => Fault::DropResponse,
                Fault::CutRequest(_) if request.path_and_query.contains("uploads") => {
                    Fault::Forward
                }
                _ => fault.clone(),
            }
        });
        let mut requests = vec![
            upload(ACME, "a", &bytes(100)),
            upload(ACME, "a", &bytes(9 << 20)),
            get(ACME, &id),
            request(Method::POST, ACME, &format!("/api/files/{id}/grant")),
        ];
        if at_kms {
            requests.push(begin_upload("a", "client"));
        }
        if !at_kms {
            let path = format!("/api/files/{id}");
            requests.extend([
                with(upload(ACME, "a", b"x"), "idempotency-key", "k"),
                with(get(ACME, &id), "if-none-match", "*"),
                request(Method::HEAD, ACME, &path),
                request(Method::DELETE, ACME, &path),
                request(Method::GET, ACME, "/api/files"),
            ]);
        }
        for request in requests {
            let head = request.method() == Method::HEAD;
            let answer = app.send(request).await;
            assert_eq!(answer.status, 503, "{case}: {}", answer.text());
            assert_eq!(answer.header("retry-after"), "2", "{case}");
            if !head {
                answer.is_problem(503, "dependency-unavailable", &case);
            }
            assert!(!answer.text().contains("SDK-TEXT"), "{case}");
        }
        proxy.clear_rule();
        assert_eq!(app.visible(VAULT).await.len(), 1, "{case}");
        assert_eq!(app.multipart_uploads().await, 0, "{case}");
        assert_eq!(app.send(get(ACME, &id)).await.body, b"content", "{case}");
    }
}
