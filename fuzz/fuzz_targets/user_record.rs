//! A user's record.

#![no_main]

use std::sync::LazyLock;

use caas_crypto::{UserId, UserRecord};
use libfuzzer_sys::fuzz_target;

static USER: LazyLock<UserId> = LazyLock::new(|| UserId {
    client: "acme".parse().expect("a name"),
    user: "1d4a30d7-8de6-be5f-9885-ffac2c6b8425"
        .parse()
        .expect("a UUID"),
});

fuzz_target!(|data: &[u8]| {
    if let Ok(record) = UserRecord::parse(data, &USER) {
        assert_eq!(record.to_json(&USER), data);
        assert!((1..=6144).contains(&record.wrapped_key.len()));
    }
});
