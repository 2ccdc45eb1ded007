//! Storage, or an attacker on the network, returns other bytes than were uploaded: the client
//! reports it, and no file appears.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use aws_sdk_s3::primitives::ByteStream;
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, Response, StatusCode, header},
    routing::{get, post},
};
use caas_client::{Client, DownloadError, Mode};
use caas_testing::{VAULT, bytes};
use futures::StreamExt;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::support::{Stack, client, ignore, is_empty, key_of, serve};

type Lie = Box<dyn Fn() -> Response<Body> + Send + Sync>;
type Answering = Box<dyn Fn(&HeaderMap) -> Response<Body> + Send + Sync>;

/// A server that forwards requests to the real service, and serves its own bytes where a grant
/// points to.
#[derive(Clone)]
struct Liar {
    service: Router,
    answering: Arc<Mutex<Answering>>,
}

async fn grant(State(liar): State<Liar>, mut request: Request) -> Response<Body> {
    // What this router has found in the path is not for the other one.
    request.extensions_mut().clear();
    let host = request.headers()[header::HOST].to_str().unwrap().to_owned();
    let answer = liar.service.oneshot(request).await.unwrap();
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let mut grant: serde_json::Value = serde_json::from_slice(&body).unwrap();
    grant["url"] = format!("http://{host}/object").into();
    Response::new(grant.to_string().into())
}

async fn object(State(liar): State<Liar>, headers: HeaderMap) -> Response<Body> {
    (liar.answering.lock().unwrap())(&headers)
}

impl Liar {
    async fn start(stack: &Stack, stop: CancellationToken) -> (Self, Client) {
        let liar = Self {
            service: stack.router.clone(),
            answering: Arc::new(Mutex::new(Box::new(|_| Response::default()))),
        };
        let router = Router::new()
            .route("/api/files/{id}/grant", post(grant))
            .route("/object", get(object))
            .with_state(liar.clone());
        let address = serve(router, stop).await;
        (liar, client(&format!("http://{address}")))
    }

    fn answer(&self, answering: impl Fn(&HeaderMap) -> Response<Body> + Send + Sync + 'static) {
        *self.answering.lock().unwrap() = Box::new(answering);
    }
}

/// The object's body as stored.
async fn body_of(stack: &Stack, id: &str) -> Vec<u8> {
    let object = stack.clients.s3.get_object().bucket(VAULT).key(key_of(id));
    let answer = object.send().await.unwrap();
    answer.body.collect().await.unwrap().to_vec()
}

async fn upload(stack: &Stack, content: &[u8]) -> String {
    let path = stack.file("a", content);
    stack.upload(&path, Mode::Client).await.unwrap().id
}

#[tokio::test]
async fn what_is_not_the_body_opens_nothing() {
    let stack = Stack::start().await;
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let (liar, client) = Liar::start(&stack, stop).await;
    let content = b"some notes, long enough to be cut in places";
    let id = upload(&stack, content).await;
    let body = body_of(&stack, &id).await;
    let swapped = body_of(&stack, &upload(&stack, content).await).await;

    let mut lies = vec![
        ("empty".to_owned(), Vec::new()),
        ("swapped".to_owned(), swapped),
        ("twice".to_owned(), body.repeat(2)),
        ("one byte more".to_owned(), [&body[..], b"x"].concat()),
        ("plaintext".to_owned(), [&content[..], &[0; 16]].concat()),
    ];
    for byte in 0..body.len() {
        let mut flipped = body.clone();
        flipped[byte] ^= 1 << (byte % 8);
        lies.push((format!("byte {byte}"), flipped));
        lies.push((format!("cut to {byte}"), body[..byte].to_vec()));
    }
    let folder = stack.destination();
    let copy = folder.path().join("copy");
    fs::write(&copy, "what was there").unwrap();
    for (case, lie) in lies {
        let lie = Bytes::from(lie);
        // With a length that says so, and without any.
        let told = lie.clone();
        liar.answer(move |_| Response::new(told.clone().into()));
        let error = client.download(&id, &copy, ignore).await.unwrap_err();
        assert!(
            matches!(error, DownloadError::NotAuthentic),
            "{case}: {error:?}"
        );
        let full = lie.len() >= body.len();
        liar.answer(move |_| {
            let lie = lie.clone();
            let stream = futures::stream::iter([Ok::<_, std::io::Error>(lie)]);
            Response::new(Body::from_stream(stream))
        });
        let error = client.download(&id, &copy, ignore).await.unwrap_err();
        match error {
            DownloadError::NotAuthentic => {}
            // It looks like a connection that broke; the rest is asked for, and 200 is no answer.
            DownloadError::Refused(200) | DownloadError::Unavailable if !full => {}
            other => panic!("{case}: {other:?}"),
        }
        assert_eq!(fs::read(&copy).unwrap(), b"what was there", "{case}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{case}");
    }
    // And the truth.
    liar.answer(move |_| Response::new(body.clone().into()));
    client.download(&id, &copy, ignore).await.unwrap();
    assert_eq!(fs::read(&copy).unwrap(), content);
}

/// The first answer is true as far as it goes; what follows is not.
#[tokio::test]
async fn a_rest_that_is_not_the_rest_opens_nothing() {
    let stack = Stack::start().await;
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let (liar, client) = Liar::start(&stack, stop).await;
    let id = upload(&stack, &bytes(1_000)).await;
    let body = body_of(&stack, &id).await;
    let total = body.len();
    let half = 500;
    let rest = |range: String, body: Vec<u8>| {
        move || {
            Response::builder()
                .status(StatusCode::PARTIAL_CONTENT)
                .header(header::CONTENT_RANGE, &range)
                .body(Body::from(body.clone()))
                .unwrap()
        }
    };
    let range = |start: usize, end: usize, total: usize| format!("bytes {start}-{end}/{total}");
    let mut flipped = body[half..].to_vec();
    flipped[3] ^= 1;
    let good = range(half, total - 1, total);
    let cases: Vec<(&str, Lie)> = vec![
        ("flipped", Box::new(rest(good.clone(), flipped))),
        (
            "other bytes",
            Box::new(rest(good.clone(), body[..total - half].to_vec())),
        ),
        (
            "longer",
            Box::new(rest(good, [&body[half..], b"x"].concat())),
        ),
        (
            "another start",
            Box::new(rest(range(0, total - 1, total), body.clone())),
        ),
        (
            "another length",
            Box::new(rest(range(half, total, total + 1), body[half..].to_vec())),
        ),
        (
            "no range",
            Box::new(rest(String::new(), body[half..].to_vec())),
        ),
        (
            "no such range",
            Box::new(|| {
                let answer = Response::builder().status(StatusCode::RANGE_NOT_SATISFIABLE);
                answer.body(Body::empty()).unwrap()
            }),
        ),
    ];
    let folder = stack.destination();
    for (case, lie) in cases {
        let body = body.clone();
        liar.answer(move |headers| {
            if headers.contains_key(header::RANGE) {
                return lie();
            }
            // Breaks off in the middle.
            let first = Bytes::copy_from_slice(&body[..half]);
            let first = futures::stream::once(async { Ok(first) });
            let stream = first.chain(futures::stream::once(async {
                // So that the first part is sent.
                tokio::task::yield_now().await;
                Err(std::io::Error::other("cut"))
            }));
            Response::new(Body::from_stream(stream))
        });
        let copy = folder.path().join("copy");
        let error = client.download(&id, &copy, ignore).await.unwrap_err();
        assert!(
            matches!(error, DownloadError::NotAuthentic),
            "{case}: {error:?}"
        );
        assert!(is_empty(folder.path()), "{case}");
    }
}

/// What was changed in the bucket itself.
#[tokio::test]
async fn an_object_that_was_replaced_opens_nothing() {
    let stack = Stack::start().await;
    let content = bytes(100_000);
    let (id, other) = (
        upload(&stack, &content).await,
        upload(&stack, &content).await,
    );
    let s3 = &stack.clients.s3;
    let object = s3.get_object().bucket(VAULT).key(key_of(&id)).send().await;
    let metadata = object.unwrap().metadata.unwrap();
    let body = body_of(&stack, &id).await;
    let folder = stack.destination();
    let copy = folder.path().join("copy");
    let mut flipped = body.clone();
    flipped[50_000] ^= 0x80;
    for (case, body) in [
        ("flipped", flipped),
        ("truncated", body[..body.len() - 1].to_vec()),
        ("only a tag", body[..16].to_vec()),
        ("swapped", body_of(&stack, &other).await),
        ("replaced", bytes(7)),
    ] {
        let put = s3.put_object().bucket(VAULT).key(key_of(&id));
        let put = put.set_metadata(Some(metadata.clone()));
        put.body(ByteStream::from(body)).send().await.unwrap();
        let error = stack.client.download(&id, &copy, ignore).await.unwrap_err();
        match error {
            DownloadError::NotAuthentic => {}
            // Shorter than a tag: the service sees that.
            DownloadError::Service(_) if case == "replaced" => {}
            other => panic!("{case}: {other:?}"),
        }
        assert!(is_empty(folder.path()), "{case}");
    }
    stack.client.download(&other, &copy, ignore).await.unwrap();
    assert!(fs::read(&copy).unwrap() == content);
}
