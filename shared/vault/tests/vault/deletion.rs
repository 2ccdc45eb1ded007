//! Deleting hides a file, purging removes it, and neither touches a neighbour.

use caas_aws::ObjectKey;
use caas_testing::bytes;
use caas_vault::GetError;

use crate::support::{Stack, key};

/// Purges a file, and returns how many versions and delete markers there were.
async fn removed(stack: &Stack, name: &ObjectKey) -> usize {
    let versions = stack.vault.purge(name).await.unwrap();
    versions.objects.len() + versions.delete_markers.len()
}

const NEIGHBOURS: [&str; 5] = [
    "acme/a.txt.bak",
    "acme/a.txt/b",
    "acme/a.tx",
    "acme/a.txt ",
    "acme-2/a.txt",
];

#[tokio::test]
async fn a_deleted_file_is_hidden_and_recoverable() {
    let stack = Stack::start().await;
    let name = key("acme/a.txt");
    let stored = stack.put(&name, bytes(9)).await;
    stack.vault.delete(&name).await.unwrap();
    stack.vault.delete(&name).await.unwrap();
    let opened = stack.vault.get(&name, 9).await;
    assert!(matches!(opened, Err(GetError::NotFound)));
    assert_eq!(stack.vault.head(&name).await, Ok(None));

    let versions = stack.vault.bucket().versions(&name).await.unwrap();
    assert_eq!(versions.delete_markers.len(), 2);
    assert!(versions.delete_markers[0].is_latest);
    let version_id = &versions.objects[0].version_id;
    assert_eq!(Some(version_id), stored.version_id.as_ref());
    for marker in &versions.delete_markers {
        let removed = stack.vault.bucket().remove(&name, &marker.version_id);
        removed.await.unwrap();
    }
    assert_eq!(stack.get(&name).await, bytes(9));
    stack.vault.delete(&key("acme/never-there")).await.unwrap();
}

#[tokio::test]
async fn a_purge_removes_every_version_of_exactly_this_key() {
    let stack = Stack::start().await;
    let name = key("acme/a.txt");
    for neighbour in NEIGHBOURS {
        let neighbour = key(neighbour);
        for len in [1, 2] {
            stack.put(&neighbour, bytes(len)).await;
        }
    }
    for deleted in [false, true] {
        for len in 0..4 {
            stack.put(&name, bytes(len)).await;
            if len == 1 || (deleted && len == 3) {
                stack.vault.delete(&name).await.unwrap();
            }
        }
        assert!(removed(&stack, &name).await >= 4);
        let left = stack.vault.bucket().versions(&name).await;
        assert_eq!(left, Ok(Default::default()));
        assert_eq!(stack.vault.head(&name).await, Ok(None));
        assert_eq!(removed(&stack, &name).await, 0);
    }
    for neighbour in NEIGHBOURS {
        let neighbour = key(neighbour);
        let versions = stack.vault.bucket().versions(&neighbour).await.unwrap();
        let counts = (versions.objects.len(), versions.delete_markers.len());
        assert_eq!(counts, (2, 0));
        assert_eq!(stack.get(&neighbour).await, bytes(2));
    }
}

/// More versions than one listing holds.
#[tokio::test]
async fn a_purge_reads_every_page_of_versions() {
    let stack = Stack::start().await;
    let name = key("acme/a.txt");
    for _ in 0..1_005 {
        stack.put_object(&name, [].into(), Vec::new()).await;
    }
    assert_eq!(removed(&stack, &name).await, 1_005);
    let left = stack.vault.bucket().versions(&name).await;
    assert_eq!(left, Ok(Default::default()));
}
