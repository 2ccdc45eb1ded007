//! Copies of objects and of parts.

use aws_sdk_s3::{
    operation::upload_part_copy::builders::UploadPartCopyFluentBuilder,
    types::{
        CompletedMultipartUpload, CompletedPart, MetadataDirective, StorageClass, TaggingDirective,
    },
};

use crate::{
    Aws,
    clients::refused,
    requests::{Bucket, assert_refused},
    tags::tags_of,
};

crate::behaviours! {
    a_copy_keeps_or_replaces_metadata,
    a_copy_keeps_or_replaces_tags,
    a_storage_class_is_not_copied,
    a_part_is_a_copy_of_an_object,
    a_part_is_a_copy_of_a_range,
    a_copied_range_must_be_in_the_source,
    a_part_is_copied_on_a_condition,
}

async fn a_copy_keeps_or_replaces_metadata(aws: Aws) {
    let bucket = aws.bucket().await;
    let put = bucket.put("a b/ü", "content").metadata("m", "1");
    put.content_type("text/plain").send().await.unwrap();
    let source = format!("{}/a%20b/%C3%BC", bucket.name);
    let copy = |key: &str| bucket.copy(key).copy_source(&source);
    let copied = copy("kept").send().await.unwrap();
    assert!(copied.copy_object_result().unwrap().e_tag().is_some());
    let replaced = copy("replaced").metadata_directive(MetadataDirective::Replace);
    replaced.metadata("n", "2").send().await.unwrap();
    assert_eq!(bucket.read("kept").await.as_deref(), Ok("content"));
    let kept = bucket.head("kept").send().await.unwrap();
    assert_eq!(
        (kept.content_type(), kept.metadata().unwrap().len()),
        (Some("text/plain"), 1)
    );
    let replaced = bucket.head("replaced").send().await.unwrap();
    assert_eq!(replaced.metadata().unwrap()["n"], "2");
    assert_eq!(replaced.metadata().unwrap().len(), 1);
}

async fn a_copy_keeps_or_replaces_tags(aws: Aws) {
    let bucket = aws.bucket().await;
    let put = bucket.put("k", "").tagging("a=1&b=2");
    put.send().await.unwrap();
    let copy = |key: &str| {
        let copy = bucket.copy(key).copy_source(format!("{}/k", bucket.name));
        copy.tagging("c=3")
    };
    copy("kept").send().await.unwrap();
    assert_eq!(tags_of(&bucket, "kept").await, "a=1 b=2");
    let replaced = copy("replaced").tagging_directive(TaggingDirective::Replace);
    replaced.send().await.unwrap();
    assert_eq!(tags_of(&bucket, "replaced").await, "c=3");
}

async fn a_storage_class_is_not_copied(aws: Aws) {
    let bucket = aws.bucket().await;
    let put = bucket.put("k", "").storage_class(StorageClass::StandardIa);
    put.send().await.unwrap();
    let copy = bucket.copy("copy");
    let copy = copy.copy_source(format!("{}/k", bucket.name));
    copy.send().await.unwrap();
    let head = bucket.head("copy").send().await.unwrap();
    assert_eq!(head.storage_class(), None);
}

/// A multipart upload of `copy`, whose only part is a copy of `k`.
struct Upload {
    bucket: Bucket,
    id: String,
}

impl Upload {
    async fn begin(aws: &Aws) -> Self {
        let bucket = aws.bucket().await;
        bucket.write("k", "0123456789").await;
        let id = bucket
            .begin("copy")
            .send()
            .await
            .unwrap()
            .upload_id
            .unwrap();
        Self { bucket, id }
    }

    fn part(&self) -> UploadPartCopyFluentBuilder {
        let request = self.bucket.s3.upload_part_copy().bucket(&self.bucket.name);
        let request = request.key("copy").upload_id(&self.id).part_number(1);
        request.copy_source(format!("{}/k", self.bucket.name))
    }

    /// Copies the part, completes the upload, and reads the object.
    async fn copied(&self, request: UploadPartCopyFluentBuilder) -> String {
        let result = request.send().await.unwrap().copy_part_result.unwrap();
        let part = CompletedPart::builder().part_number(1);
        let part = part.set_e_tag(result.e_tag).build();
        let parts = CompletedMultipartUpload::builder().parts(part).build();
        let complete = self.bucket.complete("copy").upload_id(&self.id);
        let complete = complete.multipart_upload(parts);
        complete.send().await.unwrap();
        self.bucket.read("copy").await.unwrap()
    }
}

async fn a_part_is_a_copy_of_an_object(aws: Aws) {
    let upload = Upload::begin(&aws).await;
    assert_eq!(upload.copied(upload.part()).await, "0123456789");
}

async fn a_part_is_a_copy_of_a_range(aws: Aws) {
    let upload = Upload::begin(&aws).await;
    let part = upload.part().copy_source_range("bytes=2-5");
    assert_eq!(upload.copied(part).await, "2345");
}

async fn a_copied_range_must_be_in_the_source(aws: Aws) {
    let upload = Upload::begin(&aws).await;
    for range in ["bytes=5-10", "bytes=5-", "bytes=-5", "5-6"] {
        let part = upload.part().copy_source_range(range).send().await;
        assert_refused(part, 400, "InvalidArgument");
    }
}

async fn a_part_is_copied_on_a_condition(aws: Aws) {
    let upload = Upload::begin(&aws).await;
    let part = upload.part().copy_source_if_match("\"other\"");
    assert_refused(part.send().await, 412, "PreconditionFailed");
    let part = upload
        .part()
        .copy_source(format!("{}/absent", upload.bucket.name));
    assert_eq!(refused(part.send().await).0, 404);
}
