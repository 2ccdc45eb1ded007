//! The cursor of a listing and the id of a file: nothing leaves the caller's own prefix.

#![no_main]

use std::sync::LazyLock;

use caas_aws::ObjectKey;
use caas_crypto::ClientName;
use caas_fuzz::{StubS3, block_on};
use caas_vault::Vault;
use libfuzzer_sys::fuzz_target;

static S3: LazyLock<(StubS3, Vault)> = LazyLock::new(|| {
    let s3 = StubS3::new();
    let vault = s3.vault();
    (s3, vault)
});
static ACME: LazyLock<ClientName> = LazyLock::new(|| "acme".parse().expect("a name"));

fuzz_target!(|text: &str| {
    if let Ok(key) = ObjectKey::from_id(&ACME, text) {
        assert!(key.as_str().starts_with("acme/"));
        assert_eq!(key.id(), text);
        assert_eq!(ObjectKey::parse(key.as_str()).as_ref(), Ok(&key));
    }
    let (s3, vault) = &*S3;
    let _ = block_on(vault.list(&ACME, 10, Some(text)));
    for uri in s3.requests() {
        assert!(uri.contains("prefix=acme%2F"), "{uri}");
        assert!(uri.contains("start-after=acme%2F"), "{uri}");
    }
});
