//! S3 or KMS fail: 503 with `Retry-After`, nothing half-done, and the next request works.

use std::time::Duration;

use caas_testing::{API_KEY, Fault, VAULT, bytes, request, with};
use http::Method;

use crate::support::{App, begin_upload, get, upload};

const TOO_LONG: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn s3_or_kms_does_not_serve() {
    let app = App::with_timeout(Duration::from_secs(3)).await;
    let id = app.upload("there", b"content").await;
    let kms_disabled = Fault::kms(400, "DisabledException");
    let s3_denied = Fault::s3(403, "AccessDenied");
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
        let proxies = &app.proxies;
        let proxy = if at_kms { &proxies.kms } else { &proxies.s3 };
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
            upload(API_KEY, "a", &bytes(100)),
            upload(API_KEY, "a", &bytes(9 << 20)),
            get(API_KEY, &id),
            request(Method::POST, API_KEY, &format!("/api/files/{id}/grant")),
        ];
        if at_kms {
            requests.push(begin_upload("a", "client"));
        } else {
            let path = format!("/api/files/{id}");
            requests.extend([
                with(upload(API_KEY, "a", b"x"), "idempotency-key", "k"),
                with(get(API_KEY, &id), "if-none-match", "*"),
                request(Method::HEAD, API_KEY, &path),
                request(Method::DELETE, API_KEY, &path),
                request(Method::GET, API_KEY, "/api/files"),
            ]);
        }
        for request in requests {
            let head = request.method() == Method::HEAD;
            let answer = app.send(request).await;
            assert_eq!(answer.status, 503, "{case}: {}", answer.text());
            assert_eq!(answer.header("retry-after"), "2", "{case}");
            if !head {
                answer.is_problem(&case, 503, "dependency-unavailable");
            }
            assert!(!answer.text().contains("SDK-TEXT"), "{case}");
        }
        proxy.clear_rule();
        assert_eq!(app.visible(VAULT).await.len(), 1, "{case}");
        assert_eq!(app.multipart_uploads(VAULT).await, 0, "{case}");
        assert_eq!(app.send(get(API_KEY, &id)).await.body, b"content", "{case}");
    }
}

#[tokio::test]
async fn full_storage_is_told_apart() {
    let app = App::start().await;
    let full = Fault::s3(507, "XMinioStorageFull");
    app.proxies.s3.set_rule(move |_| full.clone());
    for len in [100, 9 << 20] {
        let answer = app.send(upload(API_KEY, "a", &bytes(len))).await;
        answer.is_problem("full", 507, "storage-full");
    }
}
