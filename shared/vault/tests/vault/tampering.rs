//! Whatever is changed in storage does not open, and says nothing else.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    thread,
    time::{Duration, UNIX_EPOCH},
};

use caas_aws::{ClientsConfig, KmsKey, ObjectKey, PutOptions};
use caas_testing::bytes;
use caas_vault::{GetError, Vault};

use crate::support::{Stack, key};

type Metadata = HashMap<String, String>;

const NAME: &str = "acme/report.pdf";

/// Stores the object and opens it both ways: it must be refused, without a byte given out.
/// Returns how many requests KMS got.
async fn refused(
    stack: &Stack,
    name: &ObjectKey,
    metadata: &Metadata,
    body: &[u8],
    what: &str,
) -> u64 {
    let (metadata, body) = (metadata.clone(), body.to_vec());
    stack.put_object(name, metadata, body).await;
    let (opened, calls) = stack.calls_of(stack.vault.get(name, u64::MAX)).await;
    assert!(matches!(opened, Err(GetError::NotAuthentic)), "{what}");

    let folder = tempfile::tempdir().unwrap();
    let destination = folder.path().join("file");
    let opened = stack.vault.get_to_file(name, &destination).await;
    assert!(matches!(opened, Err(GetError::NotAuthentic)), "{what}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{what}");
    calls.kms()
}

async fn sealed(stack: &Stack, name: &ObjectKey, len: usize) -> (Metadata, Vec<u8>) {
    let options = PutOptions::default();
    stack.vault.put(name, bytes(len), &options).await.unwrap();
    stack.raw(name).await
}

/// A value with one of its characters changed to another that is legal there.
fn changed(value: &str, position: usize) -> String {
    let mut characters: Vec<char> = value.chars().collect();
    let is_a = characters[position] == 'A';
    characters[position] = if is_a { 'B' } else { 'A' };
    characters.into_iter().collect()
}

#[tokio::test]
async fn metadata_that_is_not_a_header_is_refused_without_kms() {
    let stack = Stack::start().await;
    let name = key(NAME);
    let (metadata, body) = sealed(&stack, &name, 40).await;
    let (other, _) = sealed(&stack, &key("acme/other.pdf"), 40).await;
    let value = |name: &str| metadata[name].clone();

    let mut cases: Vec<(String, &str, Option<String>)> = Vec::new();
    let mut case = |what: &str, name, value| cases.push((format!("{what} {name}"), name, value));
    for name in [
        "x-amz-c", "x-amz-3", "x-amz-w", "x-amz-t", "x-amz-d", "x-amz-i",
    ] {
        let value = value(name);
        case("removed", name, None);
        case("empty", name, Some(String::new()));
        case("duplicate", name, Some(format!("{value},{value}")));
        case("longer", name, Some(format!("{value}A")));
        case("shorter", name, Some(value[..value.len() - 1].to_owned()));
        case("garbled", name, Some("*".repeat(value.len())));
    }
    for (name, value) in [
        ("x-amz-c", "114"),
        ("x-amz-c", "AES/GCM/NoPadding"),
        ("x-amz-w", "02"),
        ("x-amz-w", "kms"),
        ("x-amz-t", "{}"),
        ("x-amz-t", other["x-amz-t"].as_str()),
        ("x-amz-key", "AAAA"),
        ("x-amz-key-v2", "AAAA"),
        ("x-amz-iv", "AAAA"),
        ("x-amz-matdesc", "{}"),
        ("x-amz-wrap-alg", "kms"),
        ("x-amz-cek-alg", "AES/GCM/NoPadding"),
        ("x-amz-tag-len", "128"),
        ("x-amz-crypto-instr-file", ""),
    ] {
        case("other", name, Some(value.to_owned()));
    }
    for position in 0..value("x-amz-t").len() {
        let value = changed(&value("x-amz-t"), position);
        case(&format!("flipped at {position}"), "x-amz-t", Some(value));
    }
    for (what, name, value) in cases {
        let mut metadata = metadata.clone();
        match value {
            Some(value) => metadata.insert(name.to_owned(), value),
            None => metadata.remove(name),
        };
        let calls = refused(&stack, &key(NAME), &metadata, &body, &what).await;
        assert_eq!(calls, 0, "{what}");
    }
    refused(&stack, &name, &Metadata::new(), &body, "no metadata").await;
    for len in 0..16 {
        let what = format!("a body of {len} bytes");
        let calls = refused(&stack, &name, &metadata, &body[..len], &what).await;
        assert_eq!(calls, 0, "{what}");
    }
}

/// A field twice is more than the SDK reads. No S3 of ours stores that, so this one is a stand-in.
#[tokio::test]
async fn metadata_that_the_sdk_cannot_read_is_refused_too() {
    const RESPONSE: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 40\r\n\
        Content-Type: text/plain\r\nETag: \"tag\"\r\nLast-Modified: Thu, 01 Jan 1970 00:01:40 GMT\r\n\
        x-amz-version-id: seven\r\nx-amz-meta-x-amz-c: 115\r\nx-amz-meta-x-amz-c: 115\r\n\r\n";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let s3 = thread::spawn(move || {
        for _ in 0..2 {
            let (mut connection, _) = listener.accept().unwrap();
            let mut request = BufReader::new(connection.try_clone().unwrap()).lines();
            let head = request.next().unwrap().unwrap().starts_with("HEAD ");
            request.find(|line| line.as_ref().unwrap().is_empty());
            let body = if head { 0 } else { 40 };
            let response = [RESPONSE.as_bytes(), &vec![7; body]].concat();
            connection.write_all(&response).unwrap();
        }
    });
    let config = ClientsConfig {
        s3_endpoint: Some(format!("http://{address}")),
        region: Some("us-east-1".to_owned()),
        credentials: Some(("id".to_owned(), "secret".to_owned())),
        ..ClientsConfig::default()
    };
    let clients = config.connect().await;
    let vault = Vault::new(clients.s3, "vault", KmsKey::new(clients.kms, "alias/files"));
    let name = key(NAME);

    let info = vault.head(&name).await.unwrap().unwrap();
    assert_eq!((info.e_tag.as_str(), info.size()), ("\"tag\"", 24));
    assert_eq!(info.version_id.as_deref(), Some("seven"));
    assert_eq!(info.content_type.as_deref(), Some("text/plain"));
    assert_eq!(info.last_modified, UNIX_EPOCH + Duration::from_secs(100));
    assert!(info.header(&name).is_err());
    let opened = vault.get(&name, 40).await;
    assert!(matches!(opened, Err(GetError::NotAuthentic)), "{opened:?}");
    s3.join().unwrap();
}

#[tokio::test]
async fn every_character_of_wrapped_key_commitment_and_message_id_counts() {
    let stack = Stack::start().await;
    let name = key(NAME);
    let (metadata, body) = sealed(&stack, &name, 40).await;
    for field in ["x-amz-3", "x-amz-d", "x-amz-i"] {
        let value = &metadata[field];
        for position in 0..value.trim_end_matches('=').len() {
            let mut metadata = metadata.clone();
            metadata.insert(field.to_owned(), changed(value, position));
            let what = format!("{field} at {position}");
            refused(&stack, &name, &metadata, &body, &what).await;
        }
    }
    stack.put_object(&name, metadata, body).await;
    assert_eq!(stack.get(&name).await, bytes(40));
}

#[tokio::test]
async fn every_flip_of_a_short_body() {
    let stack = Stack::start().await;
    let name = key(NAME);
    // Every bit of a short one, one bit of every byte of a longer one.
    for (len, bits) in [(17, 8), (900, 1)] {
        let (metadata, body) = sealed(&stack, &name, len).await;
        for bit in 0..body.len() * bits {
            let (byte, bit) = (bit / bits, if bits == 8 { bit % 8 } else { bit % 7 });
            let mut body = body.clone();
            body[byte] ^= 1 << bit;
            let what = format!("bit {bit} of byte {byte}");
            refused(&stack, &name, &metadata, &body, &what).await;
        }
    }
}

#[tokio::test]
async fn flips_truncation_extension_and_swaps_of_longer_bodies() {
    let stack = Stack::start().await;
    let name = key(NAME);
    let (metadata, body) = sealed(&stack, &name, 300_000).await;
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    for _ in 0..200 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bit = (state % (body.len() as u64 * 8)) as usize;
        let mut body = body.clone();
        body[bit / 8] ^= 1 << (bit % 8);
        refused(&stack, &name, &metadata, &body, &format!("bit {bit}")).await;
    }
    for len in [16, 17, 299_999, 300_000, 300_015] {
        let what = format!("cut to {len}");
        refused(&stack, &name, &metadata, &body[..len], &what).await;
    }
    refused(&stack, &name, &metadata, &body[1..], "cut in front").await;
    for more in [vec![0], vec![0; 16], body.clone()] {
        let body = [body.clone(), more].concat();
        refused(&stack, &name, &metadata, &body, "extended").await;
    }

    let (other_metadata, other_body) = sealed(&stack, &name, 300_000).await;
    refused(&stack, &name, &metadata, &other_body, "another body").await;
    refused(&stack, &name, &other_metadata, &body, "another header").await;
    for field in ["x-amz-3", "x-amz-d", "x-amz-i"] {
        let mut metadata = metadata.clone();
        metadata.insert(field.to_owned(), other_metadata[field].clone());
        let what = format!("another version's {field}");
        refused(&stack, &name, &metadata, &body, &what).await;
    }
}

#[tokio::test]
async fn a_copy_opens_only_in_its_place() {
    let stack = Stack::start().await;
    let name = key(NAME);
    let (metadata, body) = sealed(&stack, &name, 40).await;
    for elsewhere in ["acme/copy.pdf", "globex/report.pdf", "acme/report.pdf/x"] {
        let calls = refused(&stack, &key(elsewhere), &metadata, &body, elsewhere).await;
        assert_eq!(calls, 0, "{elsewhere}");
    }
    // Its header adapted to the new place, it is KMS that refuses.
    let (there, _) = sealed(&stack, &key("acme/copy.pdf"), 40).await;
    let mut adapted = metadata.clone();
    adapted.insert("x-amz-t".to_owned(), there["x-amz-t"].clone());
    let calls = refused(&stack, &key("acme/copy.pdf"), &adapted, &body, "adapted").await;
    assert_eq!(calls, 1);
    assert_eq!(stack.get(&name).await, bytes(40));
}
