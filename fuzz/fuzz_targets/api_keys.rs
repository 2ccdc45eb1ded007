//! `API_KEYS`, `ALLOWED_ORIGINS`, keys as they are presented, and records of the registry.

#![no_main]

use caas_clients::{ApiKeys, ClientRecord, Scope};
use caas_fuzz::block_on;
use caas_http::{AllowedOrigins, Audit};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = text.parse::<AllowedOrigins>();
    if let Ok(record) = ClientRecord::parse(text.as_bytes()) {
        assert_eq!(ClientRecord::parse(&record.to_json()), Ok(record));
    }
    let Ok(configured) = text.parse() else {
        return;
    };
    let keys = ApiKeys::new(configured, None);
    // No text has its own hash in it.
    for key in ["", text] {
        let admitted = block_on(keys.admit(key.as_bytes(), Scope::Sessions, &Audit::default()));
        assert!(admitted.is_err());
    }
});
