//! The token of an upload in parts.

#![no_main]

use caas_vault::UploadToken;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(token) = UploadToken::parse(text) {
        assert_eq!(token.to_string(), text);
        let layout = token.layout();
        assert!((1..=8192).contains(&layout.count()));
        let lengths = layout.parts().map(|(_, len)| len);
        assert_eq!(lengths.sum::<u64>(), layout.size() + 16);
        assert!(token.key().as_str().starts_with(token.key().client()));
    }
});
