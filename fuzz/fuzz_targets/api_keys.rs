//! `API_KEYS`, `ALLOWED_ORIGINS`, and keys as they are presented.

#![no_main]

use caas_http::{API_KEY_HEADER, AllowedOrigins, ApiKeys};
use http::{HeaderMap, HeaderValue, header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = text.parse::<AllowedOrigins>();
    let Ok(keys) = text.parse::<ApiKeys>() else {
        return;
    };
    assert!(keys.identify(b"").is_none());
    for (name, value) in [
        (API_KEY_HEADER, text.to_owned()),
        (header::AUTHORIZATION, format!("Bearer {text}")),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            // No text has its own hash in it.
            assert!(
                keys.authenticate(&HeaderMap::from_iter([(name, value)]))
                    .is_err()
            );
        }
    }
});
