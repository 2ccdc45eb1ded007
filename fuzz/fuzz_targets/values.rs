//! A reversible value.

#![no_main]

use caas_crypto::reversible::Value;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(value) = text.parse::<Value>() {
        assert_eq!(value.to_string(), text);
    }
});
