//! The metadata of a stored object: lines of `name: value`.

#![no_main]

use caas_crypto::stored::{EncryptionContext, Header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let context = EncryptionContext::for_object("acme/report.pdf");
    let pairs = text.lines().filter_map(|line| line.split_once(": "));
    if let Ok(header) = Header::parse(pairs, &context) {
        let metadata = header.to_metadata();
        let written = metadata.iter().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(Header::parse(written, &context).as_ref(), Ok(&header));
        assert!((1..=6144).contains(&header.wrapped_key().as_bytes().len()));
    }
});
