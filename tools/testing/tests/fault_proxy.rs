//! Each fault has its effect on the client, and no other.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use aws_sdk_kms::error::ProvideErrorMetadata;
use aws_sdk_s3::{
    error::SdkError,
    operation::put_object::{PutObjectError, PutObjectOutput},
};
use caas_testing::{
    FILE_KEY, Fault, FaultProxy, Stack, VAULT,
    clients::{kms, refused, s3},
};

struct Proxied {
    stack: Stack,
    proxy: FaultProxy,
    s3: aws_sdk_s3::Client,
}

impl Proxied {
    async fn start() -> Self {
        let stack = Stack::start().await;
        let emulator = &stack.emulator;
        let proxy = FaultProxy::start(emulator.s3_addr()).await.unwrap();
        let (id, secret) = (emulator.access_key_id(), emulator.secret_access_key());
        let s3 = s3(&proxy.url(), id, secret);
        Self { stack, proxy, s3 }
    }

    async fn put(
        &self,
        key: &str,
        len: usize,
    ) -> Result<PutObjectOutput, SdkError<PutObjectError>> {
        let put = self.s3.put_object().bucket(VAULT).key(key);
        put.body(vec![7; len].into()).send().await
    }

    /// A put of which the client learns nothing.
    async fn put_breaks(&self) {
        let put = self.put("k", 1_000_000).await.unwrap_err();
        assert!(matches!(put, SdkError::DispatchFailure(_)), "{put:?}");
    }
}

#[tokio::test]
async fn signatures_survive() {
    let proxied = Proxied::start().await;
    for key in ["a b/ü", "c/../x", "a//b", "+%2B"] {
        proxied.put(key, 100_000).await.unwrap();
        let get = proxied.s3.get_object().bucket(VAULT).key(key);
        let body = get.send().await.unwrap().body.collect().await.unwrap();
        assert_eq!(body.into_bytes(), vec![7; 100_000]);
        let head = proxied.s3.head_object().bucket(VAULT).key(key);
        head.send().await.unwrap();
    }
    assert_eq!(proxied.proxy.requests(), 12);
}

#[tokio::test]
async fn answers_come_without_the_server() {
    let proxied = Proxied::start().await;
    let cases = [
        (Fault::slow_down(), (503, "SlowDown")),
        (Fault::internal_error(), (500, "InternalError")),
    ];
    for (fault, (status, code)) in cases {
        proxied.proxy.set_rule(move |_| fault.clone());
        let put = proxied.put("k", 3_000_000).await;
        assert_eq!(refused(put), (status, code.to_owned()));
    }
    assert_eq!(proxied.stack.emulator.calls().s3(), 0);
}

#[tokio::test]
async fn a_cut_request_has_no_effect() {
    let proxied = Proxied::start().await;
    for after in [0, 1, 500_000] {
        proxied.proxy.set_rule(move |_| Fault::CutRequest(after));
        proxied.put_breaks().await;
    }
    proxied.proxy.clear_rule();
    assert!(proxied.stack.visible(VAULT).await.is_empty());
    proxied.put("k", 1).await.unwrap();
}

#[tokio::test]
async fn a_dropped_response_has_an_effect() {
    let proxied = Proxied::start().await;
    proxied.proxy.set_rule(|request| match request.method {
        "PUT" => Fault::DropResponse,
        _ => Fault::Forward,
    });
    proxied.put_breaks().await;
    assert_eq!(proxied.stack.visible(VAULT).await, ["k"]);
}

#[tokio::test]
async fn a_cut_response_is_noticed() {
    let proxied = Proxied::start().await;
    proxied.put("k", 1_000_000).await.unwrap();
    for after in [0, 1, 999_999] {
        proxied.proxy.set_rule(move |_| Fault::CutResponse(after));
        let got = proxied.s3.get_object().bucket(VAULT).key("k").send().await;
        if let Ok(got) = got {
            got.body.collect().await.unwrap_err();
        }
    }
}

#[tokio::test]
async fn delays_are_for_the_chosen_requests() {
    let proxied = Proxied::start().await;
    let forever = Duration::from_secs(3600);
    for fault in [Fault::DelayRequest(forever), Fault::DelayResponse(forever)] {
        let acts = matches!(fault, Fault::DelayResponse(_));
        proxied.proxy.set_rule(move |request| {
            match request.path_and_query.starts_with("/vault/slow") {
                true if request.number == 1 => fault.clone(),
                _ => Fault::Forward,
            }
        });
        proxied.put("fast", 1).await.unwrap();
        let emulator = &proxied.stack.emulator;
        let before = emulator.calls();
        let puts = || emulator.calls().since(&before).of("s3:PutObject");
        let delayed = async {
            while proxied.proxy.requests() < 2 || puts() < u64::from(acts) {
                tokio::task::yield_now().await;
            }
            proxied.put("fast", 1).await.unwrap();
        };
        tokio::select! {
            _ = proxied.put("slow", 1) => unreachable!("it takes an hour"),
            () = delayed => {}
        }
        assert_eq!(puts(), 1 + u64::from(acts));
        proxied.put("slow", 1).await.unwrap();
    }
}

#[tokio::test]
async fn kms_has_faults_too() {
    let stack = Stack::start().await;
    let emulator = &stack.emulator;
    let proxy = FaultProxy::start(emulator.kms_addr()).await.unwrap();
    let (id, secret) = (emulator.access_key_id(), emulator.secret_access_key());
    let kms = kms(&proxy.url(), id, secret);
    proxy.set_rule(|request| match request.target {
        Some("TrentService.GenerateDataKey") if request.number == 0 => Fault::kms_throttled(),
        Some("TrentService.GenerateDataKey") => Fault::kms_internal(),
        _ => Fault::Forward,
    });
    let generate = || kms.generate_data_key().key_id(FILE_KEY).number_of_bytes(32);
    for code in ["ThrottlingException", "KMSInternalException"] {
        let error = generate().send().await.unwrap_err();
        assert_eq!(error.code(), Some(code));
    }
    kms.describe_key().key_id(FILE_KEY).send().await.unwrap();
    proxy.clear_rule();
    generate().send().await.unwrap();
}

#[tokio::test]
async fn a_seed_brings_the_same_faults_again() {
    let run = async |seed: u64| {
        let proxied = Proxied::start().await;
        let cut = Fault::CutRequest(10);
        let faults = vec![Fault::slow_down(), Fault::DropResponse, cut];
        proxied.proxy.set_rule(Fault::seeded(seed, 3, faults));
        let mut outcomes = Vec::new();
        for _ in 0..40 {
            outcomes.push(proxied.put("k", 100).await.is_ok());
        }
        outcomes
    };
    let first = run(1).await;
    assert!(first.contains(&true) && first.contains(&false));
    assert_eq!(run(1).await, first);
    assert_ne!(run(2).await, first);
}
