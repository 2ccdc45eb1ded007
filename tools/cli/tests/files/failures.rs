//! What fails, with which exit code, and what is left.

use aws_sdk_s3::primitives::ByteStream;
use caas_testing::VAULT;

use crate::support::{Stack, key_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_is_refused_with_the_reason() {
    let stack = Stack::start().await;
    stack.file("a.txt", b"a");
    let id = stack.stored("a.txt", b"a");
    for arguments in [
        &["put", "a.txt"][..],
        &["get", &id],
        &["ls"],
        &["info", &id],
        &["rm", "a.txt"],
    ] {
        let mut caas = stack.caas(arguments);
        let key = "CANARY-no-key";
        let refused = caas.env("CAAS_API_KEY", key).output().unwrap().into();
        let refused: crate::support::Ended = refused;
        refused.failed(1, &["API key missing or unknown", "caas login"]);
        assert!(!refused.stderr.contains(key), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_down_is_a_failure_of_the_network() {
    let stack = Stack::start().await;
    stack.file("a.txt", b"a");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for arguments in [
        &["put", "a.txt"][..],
        &["get", "a.txt"],
        &["ls"],
        &["rm", "a.txt"],
    ] {
        let mut caas = stack.caas(arguments);
        let failed: crate::support::Ended = caas.env("CAAS_URL", &url).output().unwrap().into();
        failed.failed(4, &["unavailable", "check the URL"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tampered_file_leaves_nothing() {
    let stack = Stack::start().await;
    let id = stack.stored("a.txt", b"some content");
    let (metadata, mut body) = stack.get_raw(VAULT, &key_of(&id)).await;
    body[3] ^= 1;
    let put = stack.clients.s3.put_object().bucket(VAULT).key(key_of(&id));
    let put = put.set_metadata(Some(metadata));
    put.body(ByteStream::from(body)).send().await.unwrap();
    for arguments in [
        &["get", &id][..],
        &["get", "a.txt", "-o", "copy"],
        &["get", &id, "-o", "-"],
    ] {
        let refused = stack.run(arguments);
        refused.failed(
            3,
            &["a.txt: ", "not what was uploaded", "nothing was written"],
        );
        assert_eq!(
            (stack.files(), stack.temporary()),
            (vec![], vec![]),
            "{arguments:?}"
        );
    }
}
