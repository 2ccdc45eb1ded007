//! Uploads that end late: multipart uploads to the inbox, which S3 dates by their beginning, and
//! presigned PUTs to the vault.

use aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder;
use caas_aws::{ObjectKey, PutOptions};
use caas_inbox::{AFTER_DELETE, NO_DELETE, delete_file};
use caas_testing::{INBOX, clients};

use crate::support::Stack;

fn key() -> ObjectKey {
    ObjectKey::parse("acme/a").unwrap()
}

impl Stack {
    /// Begins a multipart upload to the inbox, which lacks only its completion.
    async fn begin_upload(&self, content: &str) -> CompleteMultipartUploadFluentBuilder {
        let upload = clients::upload_part(&self.clients.s3, INBOX, "acme/a", content.into());
        upload.await.unwrap()
    }

    async fn delete_file(&self, purge: bool) -> bool {
        let (key, inbox) = (key(), Some(&self.inbox));
        let deleted = delete_file(&self.vault, inbox, &key, purge).await;
        deleted.unwrap().found
    }

    /// What a client stores with a presigned PUT.
    async fn put_as_client(&self, content: &str) {
        let options = PutOptions::default().if_absent();
        let options = options.metadata(AFTER_DELETE, NO_DELETE).unwrap();
        let key = key();
        let put = self.vault.put(&key, content.into(), &options);
        put.await.unwrap();
    }
}

#[tokio::test]
async fn an_older_multipart_upload_does_not_replace_a_newer_file() {
    let stack = Stack::start().await;
    let older = stack.begin_upload("older").await;
    let began = stack.inbox.uploads("", |_| true).await.unwrap()[0].began;
    // S3 dates to the second.
    loop {
        stack.drop("acme/a", "newer".into()).await;
        let listed = stack.inbox.versions(&key()).await.unwrap();
        if listed.objects[0].last_modified > began {
            break;
        }
    }
    stack.seal(&["acme/a"]).await;
    older.send().await.unwrap();
    stack.seal(&["acme/a"]).await;
    assert_eq!(stack.opened("acme/a").await, Some("newer".into()));
    assert_eq!(stack.waiting().await, 0);
}

#[tokio::test]
async fn a_newer_multipart_upload_replaces_an_older_file() {
    let stack = Stack::start().await;
    stack.drop("acme/a", "older".into()).await;
    let newer = stack.begin_upload("newer").await;
    stack.seal(&["acme/a"]).await;
    newer.send().await.unwrap();
    stack.seal(&["acme/a"]).await;
    assert_eq!(stack.opened("acme/a").await, Some("newer".into()));
    assert_eq!(stack.waiting().await, 0);
}

#[tokio::test]
async fn a_multipart_upload_that_began_before_a_delete_does_not_return() {
    for purge in [false, true] {
        let stack = Stack::start().await;
        let upload = stack.begin_upload("deleted").await;
        stack.drop("acme/a", "deleted".into()).await;
        stack.seal(&["acme/a"]).await;
        assert!(stack.delete_file(purge).await);
        // Long after the deletion, as the longest run takes no time here.
        stack.sweep().await;
        upload.send().await.unwrap();
        stack.sweep().await;
        assert_eq!(stack.opened("acme/a").await, None, "purge: {purge}");
        assert_eq!(stack.waiting().await, 0);
        stack.sweep().await;
        let left = stack.inbox.versions(&key()).await.unwrap();
        assert_eq!(left.delete_markers, []);
    }
}

#[tokio::test]
async fn a_presigned_put_that_ends_after_a_delete_is_taken_back() {
    for purge in [false, true] {
        let stack = Stack::start().await;
        stack.put_as_client("one").await;
        assert!(stack.delete_file(purge).await);
        stack.put_as_client("two").await;
        stack.sweep().await;
        assert_eq!(stack.opened("acme/a").await, None, "purge: {purge}");
    }
}
