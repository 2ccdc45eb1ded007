//! Nothing of a request reaches the log, whatever goes wrong.
//!
//! A process of its own, since it reads everything that the process logs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "shared with the other tests")]
#[path = "http/support.rs"]
mod support;

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use caas_emulator::Fault;
use http::Method;

use support::{ACME, App, begin_upload, get, id_of, request, upload, with};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_canary_in_the_log() {
    let log = Log::default();
    let writer = log.clone();
    // Not the emulator's lines, which are S3's own.
    caas_settings::init_log(Some("trace"), move || writer.clone());

    let app = App::with_timeout(Duration::from_secs(3)).await;
    let mut statuses = Vec::new();
    let id = app.upload("CANARY-name.txt", b"CANARY-content").await;
    app.put_raw("vault", "acme/CANARY-foreign", b"CANARY-content")
        .await;
    for (s3, kms) in [
        (Fault::Forward, Fault::Forward),
        (Fault::slow_down(), Fault::Forward),
        (Fault::CutRequest(5), Fault::Forward),
        (Fault::DropResponse, Fault::Forward),
        (Fault::Forward, Fault::kms_throttled()),
        (Fault::Forward, Fault::DropResponse),
    ] {
        app.s3_proxy.set_rule(move |_| s3.clone());
        app.kms_proxy.set_rule(move |_| kms.clone());
        let file = format!("/api/files/{id}");
        let large = vec![b'C'; 13_000_000];
        for request in [
            upload(ACME, "CANARY-name.txt", b"CANARY-content"),
            upload(ACME, "CANARY-name%0A.txt", b"CANARY-content"),
            upload(ACME, "CANARY-name.txt", &large),
            upload("CANARY-key", "CANARY-name.txt", b"CANARY-content"),
            with(
                upload(ACME, "CANARY-name", b"CANARY"),
                "idempotency-key",
                "CANARY-idempotency",
            ),
            begin_upload("CANARY-name.txt", "client"),
            begin_upload("CANARY-name.txt", "inbox"),
            begin_upload("CANARY-name.txt", "CANARY-mode"),
            request(Method::POST, ACME, &format!("{file}/grant")),
            get(ACME, &id),
            get(ACME, &id_of("CANARY-foreign")),
            get(ACME, &id_of("CANARY-absent")),
            with(get(ACME, &id), "if-none-match", "\"CANARY-tag\""),
            request(Method::HEAD, ACME, &file),
            request(Method::GET, ACME, "/api/files?cursor=CANARY-cursor"),
            request(Method::GET, ACME, "/api/files?CANARY-query=1"),
            request(Method::DELETE, ACME, &format!("{file}?purge=CANARY-purge")),
            request(
                Method::DELETE,
                ACME,
                &format!("/api/files/{}", id_of("CANARY-absent")),
            ),
        ] {
            let answer = app.send(request).await;
            statuses.push(answer.status.as_u16());
        }
    }
    for expected in [200, 201, 400, 401, 404, 413, 422, 503] {
        assert!(statuses.contains(&expected), "{expected} was not provoked");
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("S3 request failed"), "failures are logged");
    assert!(log.contains("an object is not in the vault's format"));
    let tokens = ["X-Amz-Signature", "encryption"];
    let own = ["CANARY", &id, &id_of("CANARY-foreign"), "/api/", ACME];
    for secret in own.into_iter().chain(tokens) {
        assert!(!log.contains(secret), "{secret} in the log");
    }
}
