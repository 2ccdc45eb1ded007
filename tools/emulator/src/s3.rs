//! The S3 API on our own store: `s3s` does protocol and signatures, the modules below the rest.

use std::sync::Arc;

use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::dto::*;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use crate::calls::Counter;
use crate::store::Store;

mod buckets;
mod conditions;
mod errors;
mod listing;
mod multipart;
mod objects;
mod reading;
mod upload_body;

/// Builds the service. Presigned requests are checked in full, expiry included.
pub(crate) fn service(
    store: Arc<Store>,
    calls: Arc<Counter>,
    region: &str,
    max_object_bytes: u64,
    access_key_id: &str,
    secret_access_key: &str,
) -> S3Service {
    let api = Api {
        store,
        region: region.to_owned(),
        max_object_bytes,
    };
    let mut builder = S3ServiceBuilder::new(api);
    builder.set_auth(SimpleAuth::from_single(access_key_id, secret_access_key));
    builder.set_access(CountedAccess(calls));
    builder.build()
}

/// What the operations work on.
struct Api {
    store: Arc<Store>,
    region: String,
    max_object_bytes: u64,
}

/// Admits every signed request, and counts it.
struct CountedAccess(Arc<Counter>);

#[async_trait::async_trait]
impl S3Access for CountedAccess {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "Signature is required"));
        }
        self.0.count("s3", context.s3_op().name());
        Ok(())
    }
}

/// Forwards each operation to the function of the same name.
macro_rules! operations {
    ($($module:ident::$name:ident($input:ident) -> $output:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for Api {
            $(async fn $name(&self, req: S3Request<$input>) -> S3Result<S3Response<$output>> {
                $module::$name(self, req).await
            })*
        }
    };
}

operations! {
    buckets::create_bucket(CreateBucketInput) -> CreateBucketOutput;
    buckets::delete_bucket(DeleteBucketInput) -> DeleteBucketOutput;
    buckets::get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput;
    buckets::get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput;
    buckets::head_bucket(HeadBucketInput) -> HeadBucketOutput;
    buckets::list_buckets(ListBucketsInput) -> ListBucketsOutput;
    buckets::put_bucket_versioning(PutBucketVersioningInput) -> PutBucketVersioningOutput;
    listing::list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput;
    listing::list_objects(ListObjectsInput) -> ListObjectsOutput;
    listing::list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output;
    multipart::abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput;
    multipart::complete_multipart_upload(CompleteMultipartUploadInput)
        -> CompleteMultipartUploadOutput;
    multipart::create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput;
    multipart::list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput;
    multipart::list_parts(ListPartsInput) -> ListPartsOutput;
    multipart::upload_part(UploadPartInput) -> UploadPartOutput;
    objects::copy_object(CopyObjectInput) -> CopyObjectOutput;
    objects::delete_object(DeleteObjectInput) -> DeleteObjectOutput;
    objects::delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput;
    objects::put_object(PutObjectInput) -> PutObjectOutput;
    reading::get_object(GetObjectInput) -> GetObjectOutput;
    reading::head_object(HeadObjectInput) -> HeadObjectOutput;
}
