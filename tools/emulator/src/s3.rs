//! The S3 API on our own store. `s3s` does the protocol and the signatures.

use std::sync::Arc;

use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{CONTENT_RANGE, EXPECT},
};
use hyper::body::Incoming;
use s3s::{
    S3, S3Request, S3Response, S3Result,
    auth::SecretKey,
    config::{S3Config, StaticConfigProvider},
    dto::*,
    service::{S3Service, S3ServiceBuilder},
};

use self::{
    access::{OneIdentity, SignedAccess},
    request_body::RequestBody,
};
use crate::{calls::Counter, credentials::Credentials, random, store::Store};

mod access;
mod buckets;
mod completion;
mod conditions;
mod copy;
mod cors;
mod errors;
mod listing;
mod multipart;
mod object_attributes;
mod objects;
mod output;
mod presigned;
mod reading;
mod request_body;
mod tagging;
mod upload_body;
mod walk;

/// Builds the service. Presigned requests are checked in full, expiry included.
pub(crate) fn service(
    store: Arc<Store>,
    calls: Arc<Counter>,
    max_object_bytes: u64,
    credentials: &Credentials,
) -> S3Service {
    let api = Api {
        store,
        max_object_bytes,
    };
    let mut builder = S3ServiceBuilder::new(api);
    builder.set_auth(OneIdentity {
        access_key_id: credentials.access_key_id.clone(),
        secret_access_key: SecretKey::from(credentials.secret_access_key.as_str()),
    });
    builder.set_access(SignedAccess(calls));
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(limits()))));
    builder.build()
}

/// Runs the service for one request, and adds what browsers need.
pub(crate) async fn respond(
    service: S3Service,
    store: Arc<Store>,
    request: Request<Incoming>,
) -> Result<Response<s3s::Body>, s3s::HttpError> {
    let browser = cors::Browser::of(&request);
    let mut response = match &browser {
        Some(browser) if browser.is_preflight() => browser.preflight(&store),
        _ => {
            // A client that waits for `100 Continue` has not begun to send.
            let is_sending = !request.headers().contains_key(EXPECT);
            let (mut parts, body) = request.into_parts();
            presigned::add_headers(&mut parts);
            let condition = conditions::name(&parts.headers);
            let is_head = parts.method == Method::HEAD;
            let (body, rest) = RequestBody::new(body);
            let body = s3s::Body::http_body(body);
            let mut response = service.call(Request::from_parts(parts, body)).await?;
            // `s3s` has 206 for GET only.
            if is_head && response.headers().contains_key(CONTENT_RANGE) {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            }
            if let Some(condition) = condition {
                conditions::name_in(&mut response, condition);
            }
            if is_sending {
                rest.discard().await;
            }
            if let Some(browser) = browser {
                browser.allow(&store, response.headers_mut());
            }
            response
        }
    };
    let id = random::hex::<8>()
        .ok()
        .and_then(|id| HeaderValue::try_from(id).ok());
    response
        .headers_mut()
        .extend(id.map(|id| (s3s::header::X_AMZ_REQUEST_ID, id)));
    Ok(response)
}

/// HTML form uploads are not emulated: `s3s` would hold them in memory.
fn limits() -> S3Config {
    let mut config = S3Config::default();
    config.post_object_max_file_size = 0;
    config.form_max_fields_size = 64 * 1024;
    config
}

/// The state of the operations.
struct Api {
    store: Arc<Store>,
    max_object_bytes: u64,
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
    cors::delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput;
    cors::get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput;
    cors::put_bucket_cors(PutBucketCorsInput) -> PutBucketCorsOutput;
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
    copy::copy_object(CopyObjectInput) -> CopyObjectOutput;
    copy::upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput;
    object_attributes::get_object_attributes(GetObjectAttributesInput)
        -> GetObjectAttributesOutput;
    objects::delete_object(DeleteObjectInput) -> DeleteObjectOutput;
    objects::delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput;
    objects::put_object(PutObjectInput) -> PutObjectOutput;
    reading::get_object(GetObjectInput) -> GetObjectOutput;
    reading::head_object(HeadObjectInput) -> HeadObjectOutput;
    tagging::delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput;
    tagging::get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput;
    tagging::put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput;
}
