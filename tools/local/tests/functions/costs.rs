//! What each operation asks of S3 and KMS, counted by the emulator, against the formulas in
//! `docs/OPERATIONS.md`.

use std::{collections::BTreeMap, sync::Mutex};

use axum::{Router, body::Body};
use caas_clients::Scopes;
use caas_emulator::Calls;
use caas_testing::{
    API_KEY, INBOX, Stack, TestResponse, form, post_form, post_json, request, send, settings, with,
};
use http::{Method, Request, StatusCode};
use seal_object::handle;
use serde_json::{Value, json};

use crate::support::{FILE, functions, key_with};

const USER: &str = "0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e11";
const STRANGER: &str = "0191b9c4-7f3e-7a52-9c1d-2f6f0d5c8e12";

/// Requests by price: KMS (K), S3's dear ones (P: PUT, POST, LIST) and cheap ones (Q: GET, HEAD).
#[derive(Debug, Default, PartialEq, Eq)]
struct Cost {
    kms: u64,
    puts: u64,
    gets: u64,
}

impl From<&Calls> for Cost {
    fn from(calls: &Calls) -> Self {
        let mut cost = Self::default();
        for (operation, count) in calls.iter() {
            match operation {
                "kms:GenerateDataKey" | "kms:Decrypt" => cost.kms += count,
                "s3:PutObject"
                | "s3:CreateMultipartUpload"
                | "s3:UploadPart"
                | "s3:CompleteMultipartUpload"
                | "s3:ListObjectsV2"
                | "s3:ListObjectVersions"
                | "s3:ListMultipartUploads"
                | "s3:ListParts" => cost.puts += count,
                "s3:GetObject" | "s3:HeadObject" => cost.gets += count,
                "s3:DeleteObject" | "s3:AbortMultipartUpload" => {}
                other => panic!("what does {other} cost?"),
            }
        }
        cost
    }
}

/// The formula of a row: `K`, `P` and `Q`, each perhaps with a factor such as `2·`.
fn formula(text: &str) -> Cost {
    let mut cost = Cost::default();
    // What follows is a remark.
    let text = text.split([',', ';']).next().unwrap_or_default();
    for term in text.split(['+', '(', ')', ' ']) {
        let (factor, unit) = term.split_once('·').unwrap_or(("1", term));
        let Ok(factor) = factor.parse::<u64>() else {
            continue;
        };
        match unit {
            "K" => cost.kms += factor,
            "P" => cost.puts += factor,
            "Q" => cost.gets += factor,
            _ => {}
        }
    }
    cost
}

/// The rows of the table of requests: what, up to a comma or colon before its time, and its formula.
fn documented() -> BTreeMap<String, Cost> {
    let text = include_str!("../../../../docs/OPERATIONS.md");
    let (_, table) = text.split_once("| one million of |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let rows = table.lines().skip(2).map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let (what, _) = cells[1].rsplit_once(", t = ").unwrap_or((cells[1], ""));
        (what.to_owned(), formula(cells[2]))
    });
    rows.collect()
}

#[test]
fn formulas_are_read() {
    let read = formula("R + K + 6·P + 2·Q + 10⁶·0.5·t·G (drop, sealed put); each part P");
    let expected = Cost {
        kms: 1,
        puts: 6,
        gets: 2,
    };
    assert_eq!(read, expected);
    assert_eq!(
        formula("(A + R + 10⁶·0.25·0.010·G) / 1,000"),
        Cost::default()
    );
}

struct Service {
    stack: Stack,
    measured: Mutex<BTreeMap<String, Calls>>,
}

impl Service {
    /// Counts the requests of an operation.
    async fn measure<T>(&self, row: &str, operation: impl Future<Output = T>) -> T {
        let (result, calls) = self.stack.calls_of(operation).await;
        let mut measured = self.measured.lock().unwrap();
        measured.insert(row.to_owned(), calls);
        result
    }

    async fn seal(&self, event: Value) {
        let settings = settings([("SWEEP_AGE_SECONDS", "0")]);
        let config = seal_object::Config::read(&settings).unwrap();
        let inbox = config.inbox(&self.stack.clients);
        handle(event, &inbox).await.unwrap();
    }

    /// Puts what a client puts with a presigned request, and returns its ETag.
    async fn put(&self, upload: &Value) -> String {
        let url = upload["url"].as_str().unwrap();
        let mut request = reqwest::Client::new().put(url);
        for (name, value) in upload["headers"].as_object().unwrap() {
            request = request.header(name, value.as_str().unwrap());
        }
        let length = upload["headers"]["content-length"].as_str().unwrap();
        let body = vec![0; length.parse().unwrap()];
        let response = request.body(body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.headers()["etag"].to_str().unwrap().to_owned()
    }
}

/// Processes that know the API key, and no user.
async fn processes(service: &Service) -> Router {
    let router = functions(&service.stack).await;
    let stranger = format!("/users/{STRANGER}");
    for request in [
        session_file(API_KEY),
        ask(Method::GET, &stranger),
        ask(Method::GET, "/api/files"),
    ] {
        let status = send(&router, request).await.status;
        assert!(status.is_success() || status == StatusCode::NOT_FOUND);
    }
    router
}

fn post(path: &str, body: &Value) -> Request<Body> {
    with(post_json(path, body.to_string()), "x-api-key", API_KEY)
}

fn upload() -> Request<Body> {
    let form = form(&[(FILE, b"content")]);
    with(post_form("/api/upload/", form), "x-api-key", API_KEY)
}

fn session_file(key: &str) -> Request<Body> {
    let form = form(&[(FILE, b"content")]);
    with(post_form("/encrypt_file", form), "x-api-key", key)
}

fn ask(method: Method, path: &str) -> Request<Body> {
    request(method, API_KEY, path)
}

fn value(number: usize) -> Request<Body> {
    let data = vec!["datum"; number];
    post(
        "/encrypt",
        &json!({"userUUID": USER, "sensitiveData": data}),
    )
}

async fn done(router: &Router, request: Request<Body>) -> TestResponse {
    let response = send(router, request).await;
    assert!(response.status.is_success(), "{}", response.text());
    response
}

async fn users(service: &Service) {
    let router = processes(service).await;
    let first = done(&router, value(1));
    service.measure("first value of a new user", first).await;
    let row = "`/encrypt` or `/verify`, user in memory";
    service.measure(row, done(&router, value(1))).await;
    let row = "the same, in arrays of 1,000";
    service.measure(row, done(&router, value(1000))).await;
    let other = processes(service).await;
    let row = "the same, user not in memory";
    service.measure(row, done(&other, value(1))).await;
    let path = format!("/users/{USER}");
    for (row, method, path) in [
        ("`GET /users/{uuid}`", Method::GET, path.clone()),
        (
            "`POST /users/{uuid}/rotate`",
            Method::POST,
            format!("{path}/rotate"),
        ),
        ("`DELETE /users/{uuid}`", Method::DELETE, path),
    ] {
        let router = processes(service).await;
        service
            .measure(row, done(&router, ask(method, &path)))
            .await;
    }
}

async fn files(service: &Service) {
    let router = processes(service).await;
    let row = "upload of up to 4.5 MB";
    let stored = service.measure(row, done(&router, upload())).await.json();
    let id = stored["file"]["id"].as_str().unwrap();
    let once = || with(upload(), "idempotency-key", "0191b9c4");
    let row = "the same with `Idempotency-Key`, the first time";
    service.measure(row, done(&router, once())).await;
    let row = "the same with `Idempotency-Key`, repeated";
    service.measure(row, done(&router, once())).await;
    let path = format!("/api/files/{id}");
    let row = "download of up to 4.5 MB";
    service
        .measure(row, done(&router, ask(Method::GET, &path)))
        .await;
    let row = "`HEAD /api/files/{id}`";
    service
        .measure(row, done(&router, ask(Method::HEAD, &path)))
        .await;
    let row = "`GET /api/files`, a page of up to 1,000";
    service
        .measure(row, done(&router, ask(Method::GET, "/api/files")))
        .await;
    let row = "grant, and its download from S3";
    let grant = format!("{path}/grant");
    let granted = async {
        let grant = done(&router, ask(Method::POST, &grant)).await.json();
        let response = reqwest::get(grant["url"].as_str().unwrap()).await;
        assert_eq!(response.unwrap().status(), 200);
    };
    service.measure(row, granted).await;
    let row = "`DELETE /api/files/{id}`";
    service
        .measure(row, done(&router, ask(Method::DELETE, &path)))
        .await;
    let row = "the same with `?purge=true`";
    let stored = done(&router, upload()).await.json();
    let path = format!(
        "/api/files/{}?purge=true",
        stored["file"]["id"].as_str().unwrap()
    );
    service
        .measure(row, done(&router, ask(Method::DELETE, &path)))
        .await;
}

async fn presigned(service: &Service) {
    let router = processes(service).await;
    for (row, mode) in [
        (
            "`POST /api/uploads`, mode `client`, and its PUT to S3",
            "client",
        ),
        (
            "`POST /api/uploads`, mode `inbox`, and its PUT to S3",
            "inbox",
        ),
    ] {
        let begin = json!({"name": "a.bin", "size": 100, "mode": mode});
        let upload = async {
            let upload = done(&router, post("/api/uploads", &begin)).await;
            service.put(&upload.json()).await;
        };
        service.measure(row, upload).await;
    }
    let part_size = 8 << 20;
    let begin =
        json!({"name": "a.bin", "size": part_size + 1, "mode": "client", "part_size": part_size});
    let upload = async {
        let upload = done(&router, post("/api/uploads", &begin)).await.json();
        let ask = json!({"upload": upload["upload"], "from": 1, "count": 2});
        let parts = done(&router, post("/api/uploads/parts", &ask)).await.json();
        let mut sent = Vec::new();
        for part in parts["parts"].as_array().unwrap() {
            let etag = service.put(part).await;
            sent.push(json!({"number": part["number"], "etag": etag}));
        }
        done(&router, post("/api/uploads/parts", &ask)).await;
        let complete = json!({"upload": upload["upload"], "parts": sent});
        done(&router, post("/api/uploads/complete", &complete)).await;
    };
    let row = "an upload in two parts, resumed once, and its PUTs to S3";
    service.measure(row, upload).await;
}

async fn dropped(service: &Service) {
    // Presigned requests have left a file there.
    service.seal(json!({"sweep": true})).await;
    let seal = async {
        service.stack.put_raw(INBOX, "acme/a", b"content").await;
        let object = json!({"bucket": {"name": INBOX}, "object": {"key": "acme/a", "size": 7}});
        service.seal(json!({"Records": [{"s3": object}]})).await;
    };
    service.measure("dropped file of up to 8 MiB", seal).await;
    assert_eq!(service.stack.versions(INBOX).await, (0, 0));
    let sweep = service.seal(json!({"sweep": true}));
    service.measure("sweeps of an empty inbox", sweep).await;
}

async fn others(service: &Service) {
    let router = processes(service).await;
    let row = "session file of 1 MB";
    service
        .measure(row, done(&router, session_file(API_KEY)))
        .await;
    let key = key_with(&service.stack, Scopes::all()).await;
    let row = "besides: an API key that the process has not read for a minute";
    service
        .measure(row, done(&router, session_file(&key)))
        .await;
}

#[tokio::test]
async fn every_row_of_the_table_is_counted() {
    let service = Service {
        stack: Stack::start().await,
        measured: Mutex::default(),
    };
    users(&service).await;
    files(&service).await;
    presigned(&service).await;
    dropped(&service).await;
    others(&service).await;
    let (documented, measured) = (documented(), service.measured.into_inner().unwrap());
    let rows: Vec<_> = documented.keys().collect();
    assert_eq!(rows, measured.keys().collect::<Vec<_>>());
    for (row, calls) in &measured {
        assert_eq!(documented[row], Cost::from(calls), "{row}: {calls:?}");
    }
}
