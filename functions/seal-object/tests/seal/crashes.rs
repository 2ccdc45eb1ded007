//! A run that dies at any request, before S3 or KMS has acted or after it has: nothing is lost, and
//! the next run completes.

use std::{sync::Arc, time::Duration};

use caas_aws::ObjectKey;
use caas_inbox::Inbox;
use caas_testing::{Fault, FaultProxy, INBOX, Proxies, VAULT, seeded_bytes};
use seal_object::handle;
use serde_json::json;
use tokio::sync::Notify;

use crate::support::{Stack, event};

/// Longer than any test.
const FOREVER: Duration = Duration::from_secs(3600);

/// From the `from`th request on, nothing is forwarded; with `after_acting`, the response to the one
/// before is dropped. Notifies when a request waits.
fn freeze(proxy: &FaultProxy, from: u64, after_acting: bool) -> Arc<Notify> {
    let reached = Arc::new(Notify::new());
    let notify = Arc::clone(&reached);
    proxy.set_rule(move |request| {
        if request.number >= from {
            notify.notify_one();
            Fault::DelayRequest(FOREVER)
        } else if after_acting && request.number + 1 == from {
            Fault::DropResponse
        } else {
            Fault::Forward
        }
    });
    reached
}

/// Crashes runs for an object of this length at every request of one proxy, and says how many died.
async fn crash_everywhere(
    stack: &Stack,
    (proxies, state): &(Proxies, Arc<Inbox>),
    kms: bool,
    len: usize,
) -> u64 {
    let proxy = if kms { &proxies.kms } else { &proxies.s3 };
    let mut died = 0;
    for after_acting in [false, true] {
        for from in u64::from(after_acting).. {
            let key = format!("acme/{kms}-{len}-{after_acting}-{from}");
            let content = seeded_bytes(died, len);
            let source = stack.drop(&key, content.clone()).await;

            let reached = freeze(proxy, from, after_acting);
            let run = handle(event(INBOX, &[&key]), state);
            let survived = tokio::select! {
                end = run => { end.unwrap(); true }
                () = reached.notified() => false,
            };
            proxy.clear_rule();

            let listed = stack.inbox.versions(&ObjectKey::parse(&key).unwrap()).await;
            let is_left = listed
                .unwrap()
                .objects
                .iter()
                .any(|v| v.version_id == source);
            let sealed = stack.opened(&key).await;
            assert!(is_left || sealed.as_ref() == Some(&content), "{from}: lost");
            if let Some(sealed) = sealed {
                assert!(sealed == content, "{from}: something else is readable");
            }

            stack.seal(&[&key]).await;
            assert!(stack.opened(&key).await == Some(content), "{from}");
            assert_eq!(stack.waiting().await, 0, "{from}");
            if survived {
                break;
            }
            died += 1;
        }
    }
    died
}

#[tokio::test]
async fn a_crash_anywhere_loses_nothing() {
    let stack = Stack::start().await;
    let proxied = stack.proxied(INBOX, VAULT).await;
    for (kms, len) in [
        (false, 100),
        (true, 100),
        (false, (8 << 20) + 5),
        (true, (8 << 20) + 5),
    ] {
        let died = crash_everywhere(&stack, &proxied, kms, len).await;
        println!(
            "{died} runs for {len} bytes died, on the way to {}",
            if kms { "KMS" } else { "S3" }
        );
        assert!(died >= if kms { 2 } else { 16 });
    }
    stack.handle(json!({"sweep": true})).await.unwrap();
    assert_eq!(stack.multipart_uploads(VAULT).await, 0);
}
