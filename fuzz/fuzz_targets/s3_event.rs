//! The event of an invocation.

#![no_main]

use std::sync::LazyLock;

use caas_fuzz::{StubS3, block_on};
use caas_inbox::{Inbox, InboxSettings, SweepSettings};
use caas_settings::Settings;
use libfuzzer_sys::fuzz_target;
use seal_object::handle;

static INBOX: LazyLock<(StubS3, Inbox)> = LazyLock::new(|| {
    let s3 = StubS3::new();
    let settings = Settings::from([("INBOX_BUCKET", "inbox")]);
    let sweep = SweepSettings::read(&settings).expect("settings");
    let settings = InboxSettings::required(&settings, "vault").expect("settings");
    let inbox = Inbox::new(s3.client.clone(), s3.vault(), settings, sweep);
    (s3, inbox)
});

fuzz_target!(|data: &[u8]| {
    let Ok(event) = serde_json::from_slice(data) else {
        return;
    };
    let (s3, inbox) = &*INBOX;
    let _ = block_on(handle(event, inbox));
    for uri in s3.requests() {
        let of_a_bucket = ["http://localhost/inbox", "http://localhost/vault"];
        assert!(
            of_a_bucket.iter().any(|bucket| uri.starts_with(bucket)),
            "{uri}"
        );
    }
});
