//! Listings show a client's own files, in pages.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use caas_testing::bytes;
use caas_vault::ListError;

use crate::support::{Stack, key};

#[tokio::test]
async fn pages_are_complete_and_the_clients_own() {
    let stack = Stack::start().await;
    let names = [
        "a", "a b", "a+b", "a/b", "a/c/d", "b%2Fc", "b&<>\"'", "z", "ä", "\u{fffd}", "😀",
    ];
    for (len, name) in names.iter().enumerate() {
        for client in ["acme", "acme-2", "globex"] {
            let name = key(&format!("{client}/{name}"));
            stack.put(&name, bytes(len)).await;
        }
    }
    // Not files of the vault: shown to nobody, and in nobody's way.
    for other in ["acme/", "acme/folder/", "acme/b//c"] {
        stack.put_raw("vault", other, b"").await;
    }
    let client = "acme".parse().unwrap();
    for limit in [1, 2, 5, 1_000] {
        let mut files = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let listed = stack.vault.list(&client, limit, cursor.as_deref());
            let (page, calls) = stack.calls_of(listed).await;
            let page = page.unwrap();
            assert_eq!((calls.s3(), calls.kms()), (1, 0));
            assert!(page.files.len() <= usize::from(limit));
            files.extend(page.files);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        let mut listed: Vec<_> = files.iter().map(|file| file.key.path()).collect();
        let mut expected = names;
        listed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(listed, expected, "in pages of {limit}");
        for file in files {
            let len = names.iter().position(|name| *name == file.key.path());
            assert_eq!(file.size, len.unwrap() as u64);
            let info = stack.vault.head(&file.key).await.unwrap().unwrap();
            assert_eq!(info.e_tag, file.e_tag);
            assert_eq!(file.key.client(), "acme");
        }
    }
    let nobody = "nobody".parse().unwrap();
    let nobody = stack.vault.list(&nobody, 9, None).await.unwrap();
    assert!(nobody.files.is_empty() && nobody.next_cursor.is_none());
}

#[tokio::test]
async fn a_cursor_never_leaves_the_prefix() {
    let stack = Stack::start().await;
    for name in ["acme/a", "globex/a", "globex/b"] {
        stack.put(&key(name), bytes(1)).await;
    }
    let acme = "acme".parse().unwrap();
    // "", "../globex/", "/", "zzz", NUL
    for cursor in ["", "Li4vZ2xvYmV4Lw", "Lw", "enp6", "AA"] {
        let page = stack.vault.list(&acme, 10, Some(cursor)).await.unwrap();
        assert!(
            page.files.iter().all(|file| file.key.as_str() == "acme/a"),
            "{cursor}"
        );
    }
    for cursor in ["*", "AA==", "AB", "_w", " ", &"A".repeat(2_000)] {
        let refused = stack.vault.list(&acme, 10, Some(cursor)).await;
        assert!(
            matches!(refused, Err(ListError::InvalidCursor(_))),
            "{cursor}"
        );
    }
}

/// S3 refuses a key over 1,024 bytes, of which `acme/` takes five.
#[tokio::test]
async fn a_cursor_is_as_long_as_a_key_can_be() {
    let stack = Stack::start().await;
    let acme = "acme".parse().unwrap();
    for (len, accepted) in [(1019, true), (1020, false), (1024, false)] {
        let cursor = BASE64_URL_SAFE_NO_PAD.encode("a".repeat(len));
        let listed = stack.vault.list(&acme, 10, Some(&cursor));
        let (page, calls) = stack.calls_of(listed).await;
        match page {
            Ok(page) => assert!(accepted && page.files.is_empty(), "{len}"),
            Err(error) => {
                assert!(!accepted, "{len}");
                assert!(matches!(error, ListError::InvalidCursor(_)), "{len}");
                assert_eq!(calls.s3(), 0, "{len}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_shorter_than_a_tag_has_no_negative_size() {
    let stack = Stack::start().await;
    stack.put_raw("vault", "acme/short", &[0; 3]).await;
    let acme = "acme".parse().unwrap();
    let page = stack.vault.list(&acme, 10, None).await.unwrap();
    assert_eq!(page.files[0].size, 0);
    let info = stack.vault.head(&key("acme/short")).await.unwrap().unwrap();
    assert_eq!(info.size(), 0);
}
