//! Whatever is sent, the answer is a result or a problem of the caller's, never a fault of ours.

use caas_testing::{form, post_form};
use http::StatusCode;
use proptest::prelude::*;

use crate::support::{FILE, KEY, call};

/// A whole form with some bytes replaced, removed or doubled, or bytes that were never a form.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let whole = form(&[
        (FILE, b"content of a file"),
        (KEY, "A".repeat(43).as_bytes()),
    ]);
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..6);
    let edited = edits.prop_map(move |edits| {
        let mut body = whole.clone();
        for (position, byte, edit) in edits {
            let position = position.index(body.len());
            match edit {
                0 => body[position] = byte,
                1 => drop(body.remove(position)),
                _ => body.insert(position, byte),
            }
        }
        body
    });
    prop_oneof![4 => edited, 1 => prop::collection::vec(any::<u8>(), 0..400)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_body_makes_a_fault(body in body(), decrypt: bool) {
        let path = if decrypt { "/decrypt_file" } else { "/encrypt_file" };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let answer = runtime.block_on(call(true, post_form(path, body)));
        prop_assert!(!answer.status.is_server_error(), "{}", answer.status);
        if answer.status != StatusCode::OK {
            prop_assert_eq!(answer.header("content-type"), "application/problem+json");
            prop_assert!(answer.json()["detail"].is_string());
        }
    }
}
