//! The headers that sign a KMS request: whatever they are, only the true signature admits.
//!
//! Each line `name: value` of the input replaces or adds a header of a request that is signed
//! otherwise.

#![no_main]

use std::cell::RefCell;

use caas_fuzz::emulator::{ALIAS, Kms};
use http::{HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static KMS: RefCell<Kms> = RefCell::new(Kms::start());
}

/// Headers of the connection, which are not KMS's business.
const CONNECTION: [&str; 7] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
];

fuzz_target!(|text: &str| {
    let body = format!(r#"{{"KeyId":"{ALIAS}","KeySpec":"AES_256"}}"#);
    KMS.with_borrow_mut(|kms| {
        let signed = kms.sign("GenerateDataKey", body.as_bytes());
        let mut headers: Vec<(&str, String)> = signed.clone();
        for (name, value) in text.lines().filter_map(|line| line.split_once(": ")) {
            let known = HeaderName::from_bytes(name.as_bytes());
            if known.is_err()
                || HeaderValue::from_str(value).is_err()
                || CONNECTION.iter().any(|of| name.eq_ignore_ascii_case(of))
            {
                continue;
            }
            match headers
                .iter_mut()
                .find(|header| header.0.eq_ignore_ascii_case(name))
            {
                Some(header) => value.clone_into(&mut header.1),
                None => headers.push((name, value.to_owned())),
            }
        }
        let trimmed = |value: &str| value.split_whitespace().collect::<Vec<_>>().join(" ");
        let as_signed = signed
            .iter()
            .zip(&headers)
            .all(|(a, b)| trimmed(&a.1) == trimmed(&b.1));
        let (status, _) = kms.send(&headers, body.as_bytes());
        match as_signed {
            true => assert_eq!(status, 200, "{headers:?}"),
            false => assert!((400..500).contains(&status), "{status} {headers:?}"),
        }
    });
});
