//! The body of a signed KMS request; the first byte chooses the operation.

#![no_main]

use std::{cell::RefCell, str};

use caas_fuzz::emulator::Kms;
use libfuzzer_sys::fuzz_target;

/// CreateKey is left out, which would fill the disk.
const OPERATIONS: [&str; 8] = [
    "Decrypt",
    "GenerateDataKey",
    "Encrypt",
    "DescribeKey",
    "ReEncrypt",
    "ListKeys",
    "ListAliases",
    "GenerateDataKeyWithoutPlaintext",
];

thread_local! {
    static KMS: RefCell<Kms> = RefCell::new(Kms::start());
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let operation = OPERATIONS[usize::from(*choice) % OPERATIONS.len()];
    KMS.with_borrow_mut(|kms| {
        let headers = kms.sign(operation, body);
        let (status, response) = kms.send(&headers, body);
        assert!(
            matches!(status, 200 | 400),
            "{status} {:?}",
            str::from_utf8(&response)
        );
        let document: serde_json::Value = serde_json::from_slice(&response).expect("JSON");
        assert!(document.is_object());
        let refused = document["message"].as_str()
            == Some(
                "The request signature we calculated does not match the signature you provided.",
            );
        assert!(!refused, "the target signs correctly");
    });
});
