//! What is put is got, at every size, and in constant memory.

use std::{
    fs, io,
    pin::Pin,
    task::{Context, Poll},
};

use caas_aws::PutOptions;
use caas_testing::{VAULT, bytes};
use caas_vault::{GetError, PART_LEN, PutError};
use tokio::io::{AsyncRead, ReadBuf};

use crate::support::{Stack, key};

/// Gives a few bytes at a time, as networks do.
struct Dribble<'a>(&'a [u8]);

impl AsyncRead for Dribble<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let len = self.0.len().min(buffer.remaining()).min(70_001);
        let (now, later) = self.0.split_at(len);
        buffer.put_slice(now);
        self.0 = later;
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn every_size_from_memory_and_from_a_reader_into_memory_and_into_a_file() {
    let stack = Stack::start().await;
    let folder = tempfile::tempdir().unwrap();
    let name = key("acme/a b+c%/ä😀.bin");
    for len in [
        0,
        1,
        15,
        16,
        17,
        1 << 20,
        4 << 20,
        PART_LEN - 1,
        PART_LEN,
        PART_LEN + 1,
        2 * PART_LEN - 1,
        2 * PART_LEN,
        20 << 20,
    ] {
        let content = bytes(len);
        for from_reader in [false, true] {
            let put = async {
                if from_reader {
                    let options = PutOptions::default().exact_len(len as u64);
                    let put = stack.vault.put_reader(&name, Dribble(&content), &options);
                    put.await.unwrap()
                } else {
                    stack.put(&name, content.clone()).await
                }
            };
            let (stored, calls) = stack.calls_of(put).await;
            assert_eq!(stored.size, len as u64);
            assert_eq!(calls.kms(), 1, "{calls:?}");
            assert_eq!(calls.of("s3:PutObject"), u64::from(len <= PART_LEN));
            let parts = (len > PART_LEN).then_some(len / PART_LEN + 1);
            let parts = parts.unwrap_or_default() as u64;
            assert_eq!(calls.of("s3:UploadPart"), parts, "{len}");

            let (info, calls) = stack.calls_of(stack.vault.head(&name)).await;
            let info = info.unwrap().unwrap();
            assert_eq!((calls.s3(), calls.kms()), (1, 0));
            assert_eq!(info.size(), len as u64);
            assert_eq!(info.e_tag, stored.e_tag);
            assert_eq!(info.version_id, stored.version_id);
            assert_eq!(info.header(&name), Ok(stored.header));

            let (opened, calls) = stack.calls_of(stack.vault.get(&name, len as u64)).await;
            let opened = opened.unwrap();
            assert_eq!((calls.of("s3:GetObject"), calls.of("kms:Decrypt")), (1, 1));
            assert!(opened.content == content, "{len}");
            assert_eq!(opened.info, info);

            let file = folder.path().join("file");
            let into_file = stack.vault.get_to_file(&name, &file).await.unwrap();
            assert_eq!(into_file, info);
            assert!(fs::read(&file).unwrap() == content, "{len}");
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(stack.multipart_uploads(VAULT).await, 0);
}

#[tokio::test]
async fn what_travels_along() {
    let stack = Stack::start().await;
    for len in [5, PART_LEN + 5] {
        let name = key("acme/typed");
        let options = PutOptions::default()
            .content_type("text/x-notes; charset=utf-8")
            .and_then(|options| options.metadata("caas-source-version", "3sL4kqtJlcpXroDTDmJ"))
            .unwrap();
        stack.vault.put(&name, bytes(len), &options).await.unwrap();
        let info = stack.vault.head(&name).await.unwrap().unwrap();
        let content_type = info.content_type.as_deref();
        assert_eq!(content_type, Some("text/x-notes; charset=utf-8"));
        assert_eq!(info.metadata["caas-source-version"], "3sL4kqtJlcpXroDTDmJ");
        assert_eq!(stack.get(&name).await, bytes(len));
    }
}

#[tokio::test]
async fn every_object_has_its_own_key_and_body() {
    let stack = Stack::start().await;
    let mut bodies = std::collections::HashSet::new();
    for name in ["acme/one", "acme/two", "acme/two"] {
        let name = key(name);
        let stored = stack.put(&name, bytes(100)).await;
        assert!(bodies.insert(format!("{:?}", stored.header)));
        assert!(bodies.insert(format!("{:?}", stack.raw(&name).await.1)));
    }
}

#[tokio::test]
async fn a_put_may_depend_on_what_is_there() {
    let stack = Stack::start().await;
    for len in [5, PART_LEN + 5] {
        let name = key(&format!("acme/{len}"));
        let absent = PutOptions::default().if_absent();
        let other = PutOptions::default()
            .if_match("\"0123456789abcdef0123456789abcdef\"")
            .unwrap();
        let refused = stack.vault.put(&name, bytes(len), &other).await;
        assert!(matches!(refused, Err(PutError::PreconditionFailed)));

        let first = stack.vault.put(&name, bytes(len), &absent).await.unwrap();
        for options in [&absent, &other] {
            let refused = stack.vault.put(&name, bytes(len + 1), options).await;
            assert!(matches!(refused, Err(PutError::PreconditionFailed)));
        }
        assert_eq!(stack.get(&name).await, bytes(len));

        let this = PutOptions::default().if_match(&first.e_tag).unwrap();
        stack.vault.put(&name, bytes(len + 1), &this).await.unwrap();
        let lost = stack.vault.put(&name, bytes(len + 2), &this).await;
        assert!(matches!(lost, Err(PutError::PreconditionFailed)));
        assert_eq!(stack.get(&name).await, bytes(len + 1));
    }
    assert_eq!(stack.multipart_uploads(VAULT).await, 0);
}

#[tokio::test]
async fn what_is_wrong_costs_no_call_to_kms() {
    let stack = Stack::start().await;
    let name = key("acme/a");
    stack.put(&name, bytes(100)).await;
    let vault = &stack.vault;
    let kms = stack.emulator.calls().kms();

    let (content, options) = (bytes(100), PutOptions::default);
    let put = async |options| vault.put_reader(&name, &content[..], &options).await;
    let short = options().max_len(99);
    let whole = vault.put(&name, content.clone(), &short).await;
    for put in [whole, put(short).await] {
        assert!(matches!(put, Err(PutError::TooLarge { limit: 99 })));
    }
    let endless = put(options().exact_len(1 << 40)).await;
    assert!(matches!(endless, Err(PutError::TooLarge { .. })));
    for announced in [99, 101] {
        let put = put(options().exact_len(announced)).await;
        assert!(matches!(put, Err(PutError::WrongLength)));
    }
    let get = vault.get(&name, 99).await;
    assert!(matches!(get, Err(GetError::TooLarge { size: 100 })));
    let get = vault.get(&key("acme/b"), 99).await;
    assert!(matches!(get, Err(GetError::NotFound)));
    assert_eq!(vault.head(&key("acme/b")).await, Ok(None));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("b");
    let get = vault.get_to_file(&key("acme/b"), &file).await;
    assert!(matches!(get, Err(GetError::NotFound)));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    assert_eq!(stack.emulator.calls().kms(), kms);
    let opened = vault.get(&name, 100).await.unwrap();
    assert_eq!(opened.content, content);
}

#[tokio::test]
async fn a_destination_that_cannot_be_written_is_named() {
    let stack = Stack::start().await;
    let name = key("acme/a");
    stack.put(&name, bytes(9)).await;
    let folder = tempfile::tempdir().unwrap();
    for destination in [folder.path().join("absent/file"), folder.path().to_owned()] {
        let refused = stack.vault.get_to_file(&name, &destination).await;
        assert!(matches!(refused, Err(GetError::Destination(_))));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
