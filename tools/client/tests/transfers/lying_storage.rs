//! Storage, or an attacker on the network, returns other bytes than were uploaded: the client
//! reports it, and no file appears.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use aws_sdk_s3::primitives::ByteStream;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, Response, header},
    routing::{get, post},
};
use caas_client::{Client, DownloadError};
use caas_testing::{VAULT, bytes, send};
use futures::StreamExt;

use crate::support::{Stack, client, files_in, ignore, key_of, serve};

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
    let mut grant = send(&liar.service, request).await.json();
    grant["url"] = format!("http://{host}/object").into();
    Response::new(grant.to_string().into())
}

async fn object(State(liar): State<Liar>, headers: HeaderMap) -> Response<Body> {
    (liar.answering.lock().unwrap())(&headers)
}

impl Liar {
    async fn start(stack: &Stack) -> (Self, Client) {
        let liar = Self {
            service: stack.router.clone(),
            answering: Arc::new(Mutex::new(Box::new(|_| Response::default()))),
        };
        let router = Router::new()
            .route("/api/files/{id}/grant", post(grant))
            .route("/object", get(object))
            .with_state(liar.clone());
        let address = serve(router).await;
        (liar, client(&format!("http://{address}")))
    }

    fn answer(&self, answering: impl Fn(&HeaderMap) -> Response<Body> + Send + Sync + 'static) {
        *self.answering.lock().unwrap() = Box::new(answering);
    }
}

/// Uploads this content. Returns the file's id, and its body as stored.
async fn upload(stack: &Stack, content: &[u8]) -> (String, Vec<u8>) {
    let id = stack.stored(content).await;
    let (_, body) = stack.get_raw(VAULT, &key_of(&id)).await;
    (id, body)
}

#[tokio::test]
async fn what_is_not_the_body_opens_nothing() {
    let stack = Stack::start().await;
    let (liar, client) = Liar::start(&stack).await;
    let content = b"some notes, long enough to be cut in places";
    let (id, body) = upload(&stack, content).await;
    let (_, swapped) = upload(&stack, content).await;

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
    let (folder, copy) = stack.destination();
    fs::write(&copy, "what was there").unwrap();
    for (case, lie) in lies {
        let lie = Bytes::from(lie);
        // With a length that says so, and without any.
        let told = lie.clone();
        liar.answer(move |_| Response::new(told.clone().into()));
        let error = client.download(&id, &copy, ignore).await.unwrap_err();
        let refused = matches!(error, DownloadError::NotAuthentic);
        assert!(refused, "{case}: {error:?}");
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
        assert_eq!(files_in(&folder), 1, "{case}");
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
    let (liar, client) = Liar::start(&stack).await;
    let (id, body) = upload(&stack, &bytes(1_000)).await;
    let (total, half) = (body.len(), 500);
    let range = |start: usize, end: usize, total: usize| format!("bytes {start}-{end}/{total}");
    let (first, rest) = body.split_at(half);
    let mut flipped = rest.to_vec();
    flipped[3] ^= 1;
    let good = || range(half, total - 1, total);
    let (all, longer) = (range(0, total - 1, total), range(half, total, total + 1));
    let cases = [
        ("flipped", 206, good(), flipped),
        ("other bytes", 206, good(), body[..total - half].to_vec()),
        ("longer", 206, good(), [rest, b"x"].concat()),
        ("another start", 206, all, body.clone()),
        ("another length", 206, longer, rest.to_vec()),
        ("no range", 206, String::new(), rest.to_vec()),
        ("no such range", 416, String::new(), Vec::new()),
    ];
    let (folder, copy) = stack.destination();
    for (case, status, range, lie) in cases {
        let first = Bytes::copy_from_slice(first);
        liar.answer(move |headers| {
            if headers.contains_key(header::RANGE) {
                let response = Response::builder().status(status);
                let response = response.header(header::CONTENT_RANGE, &range);
                return response.body(lie.clone().into()).unwrap();
            }
            // Breaks off in the middle.
            let first = first.clone();
            let first = futures::stream::once(async { Ok(first) });
            let stream = first.chain(futures::stream::once(async {
                // So that the first part is sent.
                tokio::task::yield_now().await;
                Err(std::io::Error::other("cut"))
            }));
            Response::new(Body::from_stream(stream))
        });
        let error = client.download(&id, &copy, ignore).await.unwrap_err();
        let refused = matches!(error, DownloadError::NotAuthentic);
        assert!(refused, "{case}: {error:?}");
        assert_eq!(files_in(&folder), 0, "{case}");
    }
}

/// What was changed in the bucket itself.
#[tokio::test]
async fn an_object_that_was_replaced_opens_nothing() {
    let stack = Stack::start().await;
    let content = bytes(100_000);
    let id = stack.stored(&content).await;
    let (other, swapped) = upload(&stack, &content).await;
    let (metadata, body) = stack.get_raw(VAULT, &key_of(&id)).await;
    let (folder, copy) = stack.destination();
    let mut flipped = body.clone();
    flipped[50_000] ^= 0x80;
    for (case, body) in [
        ("flipped", flipped),
        ("truncated", body[..body.len() - 1].to_vec()),
        ("only a tag", body[..16].to_vec()),
        ("swapped", swapped),
        ("replaced", bytes(7)),
    ] {
        let put = stack.clients.s3.put_object().bucket(VAULT).key(key_of(&id));
        let put = put.set_metadata(Some(metadata.clone()));
        put.body(ByteStream::from(body)).send().await.unwrap();
        match stack.download(&id, &copy).await.unwrap_err() {
            DownloadError::NotAuthentic => {}
            // Shorter than a tag: the service sees that.
            DownloadError::Service(_) if case == "replaced" => {}
            other => panic!("{case}: {other:?}"),
        }
        assert_eq!(files_in(&folder), 0, "{case}");
    }
    stack.download(&other, &copy).await.unwrap();
    assert!(fs::read(&copy).unwrap() == content);
}
